//! How well something answers to what is looked for.
//!
//! Pure, and bounded: of what is typed the first [`LONGEST`] characters and [`MOST_WORDS`] words count, of what is found
//! the best few are kept.

/// Characters that are looked for.
const LONGEST: usize = 100;

/// Words that are looked for.
const MOST_WORDS: usize = 8;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// All of it, in small letters, one blank between words.
    whole: String,
    words: Vec<String>,
}

/// How well a name answers; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The name itself.
    Exact,
    /// The name begins so.
    Prefix,
    /// A word of the name begins so.
    Word,
    /// It stands somewhere in the name.
    Part,
    /// A word of what is said about it begins so.
    Said,
    /// It stands somewhere in what is said about it.
    SaidPart,
}

impl Wanted {
    /// What someone typed; none: nothing.
    pub(super) fn of(typed: &str) -> Option<Self> {
        let short: String = typed.chars().take(LONGEST).collect::<String>().to_lowercase();
        let words: Vec<String> = short.split_whitespace().take(MOST_WORDS).map(str::to_owned).collect();
        (!words.is_empty()).then(|| Self { whole: words.join(" "), words })
    }

    /// As it is looked for.
    pub(super) fn text(&self) -> &str {
        &self.whole
    }

    /// How well a name answers, with what is said about it; none: not all words are there.
    pub(super) fn rank(&self, name: &str, said: &[&str]) -> Option<Rank> {
        if name.chars().count() == self.whole.chars().count() && is_in(name, &self.whole) == Some(Place::Start) {
            return Some(Rank::Exact);
        }
        if is_in(name, &self.whole) == Some(Place::Start) {
            return Some(Rank::Prefix);
        }
        let mut worst = Rank::Word;
        for word in &self.words {
            let in_name = match is_in(name, word) {
                Some(Place::Start | Place::Word) => Some(Rank::Word),
                Some(Place::Inside) => Some(Rank::Part),
                None => None,
            };
            let rank = in_name.or_else(|| {
                let places = said.iter().filter_map(|text| is_in(text, word)).min();
                places.map(|place| if place == Place::Inside { Rank::SaidPart } else { Rank::Said })
            })?;
            worst = worst.max(rank);
        }
        Some(worst)
    }
}

/// Where one text stands in another; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Word,
    Inside,
}

/// Where `wanted`, in small letters, stands in `text`.
fn is_in(text: &str, wanted: &str) -> Option<Place> {
    if text.is_ascii() && wanted.is_ascii() {
        return place(text.as_bytes(), wanted.as_bytes(), u8::eq_ignore_ascii_case, u8::is_ascii_alphanumeric);
    }
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let wanted: Vec<char> = wanted.chars().collect();
    place(&text, &wanted, char::eq, |letter| letter.is_alphanumeric())
}

fn place<T>(
    text: &[T],
    wanted: &[T],
    same: impl Fn(&T, &T) -> bool,
    is_of_a_word: impl Fn(&T) -> bool,
) -> Option<Place> {
    let mut best = None;
    for (at, window) in text.windows(wanted.len().max(1)).enumerate() {
        if !window.iter().zip(wanted).all(|(one, other)| same(one, other)) {
            continue;
        }
        match at.checked_sub(1).and_then(|before| text.get(before)) {
            None => return Some(Place::Start),
            Some(before) if !is_of_a_word(before) => best = Some(Place::Word),
            Some(_) => best = best.or(Some(Place::Inside)),
        }
        if best == Some(Place::Word) {
            break;
        }
    }
    best
}

/// The best few of many: how many answer at all, and the `most` best of them, by rank and then by name. Of ten thousand
/// that answer only those few are ever held.
pub(super) fn best<T>(
    items: impl Iterator<Item = T>,
    most: usize,
    rank: impl Fn(&T) -> Option<Rank>,
    name: impl Fn(&T) -> &str,
) -> (usize, Vec<(Rank, T)>) {
    let mut all = 0;
    let mut found: Vec<(Rank, T)> = Vec::with_capacity(most + 1);
    for item in items {
        let Some(rank) = rank(&item) else { continue };
        all += 1;
        let place = found.partition_point(|(other, one)| (*other, name(one)) <= (rank, name(&item)));
        if place < most {
            found.insert(place, (rank, item));
            found.truncate(most);
        }
    }
    (all, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rank(wanted: &str, name: &str, said: &[&str]) -> Option<Rank> {
        Wanted::of(wanted).unwrap().rank(name, said)
    }

    #[test]
    fn the_name_itself_comes_before_its_beginning_its_words_and_its_parts() {
        assert_eq!(rank("WEB1", "web1", &[]), Some(Rank::Exact));
        assert_eq!(rank("web", "web1", &[]), Some(Rank::Prefix));
        assert_eq!(rank("web", "old-web1", &[]), Some(Rank::Word));
        assert_eq!(rank("web", "cobweb", &[]), Some(Rank::Part));
        assert_eq!(rank("gateway", "POT_GATEWAY", &[]), Some(Rank::Word));
        assert_eq!(rank("bridge", "web1", &["on the public-bridge"]), Some(Rank::Said));
        assert_eq!(rank("ridge", "web1", &["on the public-bridge"]), Some(Rank::SaidPart));
        assert_eq!(rank("web bridge", "web1", &["on the public-bridge"]), Some(Rank::Said));
        assert_eq!(rank("web cellar", "web1", &["on the public-bridge"]), None);
        assert_eq!(rank("ÜBER", "über", &[]), Some(Rank::Exact));
        assert_eq!(rank("192.168", "10.192.168.1", &[]), Some(Rank::Word));
        assert_eq!(Wanted::of(" \t "), None);
    }

    #[test]
    fn of_many_only_the_best_are_kept_and_all_are_counted() {
        let names: Vec<String> = (0..1000).map(|number| format!("web{number}")).collect();
        let wanted = Wanted::of("web1").unwrap();
        let (all, found) = best(names.iter().rev(), 3, |name| wanted.rank(name, &[]), |name| name.as_str());
        assert_eq!(all, 111);
        assert_eq!(found.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["web1", "web10", "web100"]);
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_stops_it(typed: String, name: String, said: String) {
            if let Some(wanted) = Wanted::of(&typed) {
                prop_assert!(wanted.words.len() <= MOST_WORDS && wanted.whole.len() <= 4 * 3 * LONGEST);
                let _ = wanted.rank(&name, &[&said]);
                prop_assert!(wanted.rank(wanted.text(), &[]).is_some());
            }
        }
    }
}
