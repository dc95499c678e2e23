//! The host's time zone, in which syslogd and everything else on it write local time.

use super::probe;
use crate::layout::Layout;
use jiff::tz::TimeZone;
use std::path::Path;

/// What libc goes by: a file of rules, or a link to one. Without it the time is UTC.
const LOCALTIME: &str = "/etc/localtime";
/// Where tzsetup(8) leaves the name of what it copied there.
const NAME: &str = "/var/db/zoneinfo";
/// The rules by name, see tzfile(5).
const RULES: &str = "/usr/share/zoneinfo";

/// The zone's name, `UTC` when there is none that is known, and what said so.
pub(crate) fn time_zone(layout: &Layout) -> (String, &'static str) {
    let known = |name: String| TimeZone::get(&name).is_ok().then_some(name);
    let localtime = layout.on_disk(LOCALTIME);
    let linked = || {
        let target = std::fs::read_link(&localtime).ok()?;
        let (_, name) = target.to_str()?.rsplit_once("/zoneinfo/")?;
        known(name.to_owned())
    };
    let named = || {
        let text = String::from_utf8(read(&layout.on_disk(NAME))?).ok()?;
        known(text.trim().to_owned())
    };
    // Copied by hand: which one it is a copy of is to be found.
    let copied = || {
        let rules = read(&localtime)?;
        let is_it = |name: &String| read(&layout.on_disk(&format!("{RULES}/{name}"))).as_ref() == Some(&rules);
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).find(is_it).and_then(known)
    };
    let from = |source: &'static str| move |name: String| (name, source);
    linked()
        .map(from(LOCALTIME))
        .or_else(|| named().map(from(NAME)))
        .or_else(|| copied().map(from(LOCALTIME)))
        .unwrap_or_else(|| ("UTC".to_owned(), LOCALTIME))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    probe::read(path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_known_however_it_was_set() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), None);
        let place = |path: &str| {
            let path = layout.on_disk(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let says = || time_zone(&layout);
        assert_eq!(says(), ("UTC".to_owned(), LOCALTIME));
        // Copied by hand.
        std::fs::write(place("/usr/share/zoneinfo/Asia/Tokyo"), "TZif2 Tokyo").unwrap();
        std::fs::write(place("/usr/share/zoneinfo/Europe/Berlin"), "TZif2 Berlin").unwrap();
        std::fs::write(place(LOCALTIME), "TZif2 Berlin").unwrap();
        assert_eq!(says(), ("Europe/Berlin".to_owned(), LOCALTIME));
        std::fs::write(place(LOCALTIME), "TZif2 of a zone of one's own").unwrap();
        assert_eq!(says().0, "UTC");
        // By tzsetup(8).
        std::fs::write(place(NAME), "America/Lima\n").unwrap();
        assert_eq!(says(), ("America/Lima".to_owned(), NAME));
        std::fs::write(place(NAME), "../../etc/passwd\n").unwrap();
        assert_eq!(says().0, "UTC");
        // Linked, whatever tzsetup once said.
        std::fs::remove_file(place(LOCALTIME)).unwrap();
        std::fs::write(place(NAME), "America/Lima\n").unwrap();
        std::os::unix::fs::symlink("/usr/share/zoneinfo/Asia/Tokyo", place(LOCALTIME)).unwrap();
        assert_eq!(says(), ("Asia/Tokyo".to_owned(), LOCALTIME));
    }
}
