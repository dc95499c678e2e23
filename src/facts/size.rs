//! Sizes for people.

/// Bytes for people, in the powers of 1024 that ZFS itself uses: three digits, rounded down, so that no more is called
/// free than is.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths, so that no float is needed.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("EiB");
    if tenths < 1000 && tenths % 10 != 0 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_units_of_zfs() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(48 << 30), "48 GiB");
        assert_eq!(size((48 << 30) + (205 << 20)), "48.2 GiB");
        assert_eq!(size(442_381_631_488), "412 GiB");
        assert_eq!(size(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn no_more_is_called_free_than_is() {
        assert_eq!(size((1 << 30) - 1), "1023 MiB");
        assert_eq!(size((113 << 30) - 1), "112 GiB");
    }
}
