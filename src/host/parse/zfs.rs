//! `zpool list` and `zfs list` with `-Hp`: tabs between fields, sizes in bytes (zpool(8), zfs(8)).

use super::{quote, tab_fields};
use crate::facts::{Dataset, Pool};

/// The columns asked of `zpool list -Hp -o`.
pub(crate) const POOL_COLUMNS: &str = "name,size,free,health";
/// The columns asked of `zfs list -Hp -o`. The last one is not known to ZFS before FreeBSD 13.
pub(crate) const DATASET_COLUMNS: &str = "name,type,mountpoint,canmount,mounted,used,available,origin,keystatus";
/// The same without what older ones do not know.
pub(crate) const OLD_DATASET_COLUMNS: &str = "name,type,mountpoint,canmount,mounted,used,available,origin";

/// Pools in the order given. No output means that there is none.
pub fn pools(text: &str) -> Result<Vec<Pool>, String> {
    lines(text)
        .map(|line| {
            let [name, size, free, health] = tab_fields(line).ok_or_else(|| unexpected("zpool list", line))?;
            Ok(Pool {
                name: name.to_owned(),
                // A faulted pool has no sizes: `-`.
                size: bytes(size).ok_or_else(|| unexpected("zpool list", line))?,
                free: bytes(free).ok_or_else(|| unexpected("zpool list", line))?,
                health: health.to_owned(),
            })
        })
        .collect()
}

/// Datasets, snapshots and volumes in the order given.
pub fn datasets(text: &str) -> Result<Vec<Dataset>, String> {
    lines(text)
        .map(|line| {
            // Older ones do not know the last column.
            let [name, kind, mountpoint, canmount, mounted, used, available, origin, key] = tab_fields::<9>(line)
                .or_else(|| {
                    let mut fields = ["-"; 9];
                    fields.get_mut(..8)?.copy_from_slice(&tab_fields::<8>(line)?);
                    Some(fields)
                })
                .ok_or_else(|| unexpected("zfs list", line))?;
            Ok(Dataset {
                name: name.to_owned(),
                kind: kind.to_owned(),
                mountpoint: mountpoint.to_owned(),
                canmount: canmount.to_owned(),
                mounted: match mounted {
                    "yes" => true,
                    "no" | "-" => false,
                    _ => return Err(unexpected("zfs list", line)),
                },
                used: bytes(used).ok_or_else(|| unexpected("zfs list", line))?,
                // Snapshots have nothing left for them: `-`.
                available: bytes(available).ok_or_else(|| unexpected("zfs list", line))?,
                origin: (origin != "-" && !origin.is_empty()).then(|| origin.to_owned()),
                locked: key == "unavailable",
            })
        })
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty())
}

fn bytes(field: &str) -> Option<u64> {
    if field == "-" { Some(0) } else { field.parse().ok() }
}

fn unexpected(tool: &str, line: &str) -> String {
    format!("{tool} answered a line that is not understood: {}", quote(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_with_their_health() {
        let pools = pools("zroot\t511101108224\t442381631488\tONLINE\nbackup\t-\t-\tFAULTED\n").unwrap();
        assert_eq!(pools.len(), 2);
        assert_eq!((pools[0].name.as_str(), pools[0].free), ("zroot", 442381631488));
        assert_eq!((pools[1].size, pools[1].health.as_str()), (0, "FAULTED"));
        assert_eq!(super::pools("").unwrap(), vec![]);
    }

    #[test]
    fn a_table_for_people_is_refused_with_the_line() {
        let error = pools("NAME    SIZE  ALLOC   FREE\nzroot   476G  64G  412G\n").unwrap_err();
        assert!(error.contains("NAME    SIZE"), "{error}");
        assert!(datasets("no datasets available\n").is_err());
    }

    #[test]
    fn datasets_clones_snapshots_and_mountpoints_with_blanks() {
        let text = "zroot/pot\tfilesystem\t/opt/pot\toff\tno\t51758133248\t442381631488\t-\n\
            zroot/pot/jails/web1/m\tfilesystem\t/opt/pot/my jails/web1/m\ton\tyes\t9216\t442381631488\tzroot/pot/bases/14.3@1\n\
            zroot/pot/bases/14.3@1\tsnapshot\t-\t-\t-\t0\t-\t-\n";
        let datasets = datasets(text).unwrap();
        assert_eq!(datasets[0].canmount, "off");
        assert!(!datasets[0].mounted);
        assert_eq!(datasets[1].mountpoint, "/opt/pot/my jails/web1/m");
        assert_eq!(datasets[1].origin.as_deref(), Some("zroot/pot/bases/14.3@1"));
        assert_eq!((datasets[2].kind.as_str(), datasets[2].available), ("snapshot", 0));
        assert_eq!(datasets[2].origin, None);
    }
}
