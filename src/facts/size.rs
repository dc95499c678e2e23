//! Sizes for people.

/// Bytes for people, in the powers of 1024 that ZFS itself uses.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = UNITS[0];
    let mut scaled = bytes;
    // In tenths, so that no float is needed.
    let mut tenths = bytes.saturating_mul(10) / 1024;
    for next in &UNITS[1..] {
        if scaled / 1024 < 1024 {
            break;
        }
        scaled /= 1024;
        tenths = scaled.saturating_mul(10) / 1024;
        unit = next;
    }
    if tenths >= 1000 {
        format!("{} {unit}", (tenths + 5) / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_like_zfs() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(442_381_631_488), "412 GiB");
        assert_eq!(size(51_757_060_096), "48.2 GiB");
        assert_eq!(size(u64::MAX), "15.9 EiB");
    }
}
