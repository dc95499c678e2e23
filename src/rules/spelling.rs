//! Names that pot does not know, and what was probably meant.

use crate::potconf::PARAMETERS;

/// The parameter that was probably meant by a name that pot does not know: one or two letters differ.
/// `is_interface` says whether the host or POT_EXTRA_EXTIF has an interface of a name.
pub(super) fn meant(name: &str, is_interface: impl Fn(&str) -> bool) -> Option<&'static str> {
    if crate::potconf::parameter(name).is_some() {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let most = if upper.len() < 10 { 1 } else { 2 };
    let near = PARAMETERS
        .iter()
        .filter(|known| {
            known.name.len().abs_diff(upper.len()) <= most && have_letters_in_common(&upper, known.name, most)
        })
        .filter_map(|known| Some((distance(&upper, known.name, most)?, known.name)))
        .min()?
        .1;
    match crate::potconf::extra_interface(name) {
        None => Some(near),
        // POT_NETWORK_STAK may also be the network of an interface STAK.
        Some(interface) => (near == "POT_NETWORK_STACK" && !is_interface(interface)).then_some(near),
    }
}

/// Whether the letters of two names, in whatever order, differ by at most `most` on either side. Far cheaper than the
/// distance, and a file may hold thousands of names.
fn have_letters_in_common(one: &str, other: &str, most: usize) -> bool {
    let mut counts = [0_i16; 64];
    for (text, step) in [(one, 1), (other, -1)] {
        for byte in text.bytes() {
            if let Some(count) = counts.get_mut(usize::from(byte & 63)) {
                *count += step;
            }
        }
    }
    let surplus = |sign: i16| counts.iter().map(|count| usize::try_from(count * sign).unwrap_or(0)).sum::<usize>();
    surplus(1) <= most && surplus(-1) <= most
}

/// How many letters must be changed, added, left out or swapped with their neighbour; none when more than `most`.
fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, &letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &wanted) in other.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX - 8);
            let mut best = (at(&above, column) + usize::from(letter != wanted))
                .min(at(&above, column + 1) + 1)
                .min(at(&current, column) + 1);
            if row > 0 && column > 0 && one.get(row - 1) == Some(&wanted) && other.get(column - 1) == Some(&letter) {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        if current.iter().min().is_none_or(|best| *best > most) {
            return None;
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().filter(|best| *best <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_one_or_two_letters_is_near() {
        assert_eq!(distance("POT_GATWAY", "POT_GATEWAY", 2), Some(1));
        assert_eq!(distance("POT_GAETWAY", "POT_GATEWAY", 2), Some(1));
        assert_eq!(distance("POT_GATEWAY", "POT_GATEWAY", 2), Some(0));
        assert_eq!(distance("POT_FOO", "POT_TMP", 2), None);
    }
}
