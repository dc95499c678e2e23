//! Slows down guessing, per account and the place that tries come from, without ever shutting the right person out.
//!
//! An address alone is no place: whoever shares it (a proxy, a tunnel, a NAT) would keep the others out. So each account
//! has its own count per place: a browser that signed in before and carries the proof of it, a session that gives the
//! password again, an address from which the account signed in before, and any other address. Each of the first has
//! tries of its own, which no guesses from elsewhere use up; all other addresses share one bound on guesses a day.
//!
//! A name that no account has is counted like one that has: neither words nor delays tell which names there are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures before the delay begins: people mistype.
const FREE: u32 = 4;
/// Longest delay between two tries.
const LONGEST: Duration = Duration::from_mins(1);
/// Failures are forgotten after this time without a further one.
const FORGET: Duration = Duration::from_mins(15);
/// Failures of one kind of place for one account at once; one more is allowed each [`GUESS_EACH`]. So no 24 hours see
/// more than twice as many.
const GUESSES: u32 = 100;
/// The 100th part of a day.
const GUESS_EACH: Duration = Duration::from_secs(864);
/// Most names remembered that no account has; the oldest go first. Accounts are never forgotten so: who invents names
/// must not win back guesses.
const MOST_NAMES: usize = 2048;
/// Most places remembered for one name.
const MOST_PLACES: usize = 64;

/// Where a try comes from, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A browser that signed in to this account before: the digest of what it carries.
    Browser(String),
    /// Someone who is signed in gives the password again: the session's key.
    Session(String),
    /// An address from which the account signed in before (as [`address_key`]).
    Known(String),
    /// Any other address.
    Elsewhere(String),
}

/// What shares one bound on guesses a day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    One(Place),
    Sessions,
    Elsewhere,
}

impl Place {
    fn group(&self) -> Group {
        match self {
            Self::Browser(_) | Self::Known(_) => Group::One(self.clone()),
            Self::Session(_) => Group::Sessions,
            Self::Elsewhere(_) => Group::Elsewhere,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn delay(self) -> Duration {
        match self.count.saturating_sub(FREE) {
            0 => Duration::ZERO,
            over => Duration::from_secs(1u64.checked_shl(over.min(20) - 1).unwrap_or(u64::MAX)).min(LONGEST),
        }
    }

    fn wait(self, now: Instant) -> Duration {
        if now >= self.last + FORGET {
            Duration::ZERO
        } else {
            (self.last + self.delay()).saturating_duration_since(now)
        }
    }
}

/// What failed lately for one name.
#[derive(Debug)]
struct Tries {
    places: HashMap<Place, Failures>,
    /// When the guesses that were made are all earned back.
    earned: HashMap<Group, Instant>,
    last: Instant,
}

impl Tries {
    fn new(now: Instant) -> Self {
        Self { places: HashMap::new(), earned: HashMap::new(), last: now }
    }

    fn wait(&self, place: &Place, now: Instant) -> Duration {
        let delay = self.places.get(place).map_or(Duration::ZERO, |failures| failures.wait(now));
        let spent = self.earned.get(&place.group()).map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        delay.max(spent.saturating_sub(GUESS_EACH * (GUESSES - 1)))
    }

    fn failed(&mut self, place: &Place, now: Instant) -> u32 {
        self.last = now;
        if !self.places.contains_key(place) {
            make_room(&mut self.places, MOST_PLACES, |failures| failures.last);
        }
        let failures = self.places.entry(place.clone()).or_insert(Failures { count: 0, last: now });
        if now >= failures.last + FORGET {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let count = failures.count;
        let group = place.group();
        if !self.earned.contains_key(&group) {
            make_room(&mut self.earned, MOST_PLACES, |at| *at);
        }
        let earned = self.earned.entry(group).or_insert(now);
        *earned = (*earned).max(now) + GUESS_EACH;
        count
    }
}

/// A name that someone tries to sign in with.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// The name.
    pub name: &'a str,
    /// Whether there is such an account.
    pub exists: bool,
}

/// What failed lately.
#[derive(Debug, Default)]
pub struct Throttle {
    accounts: HashMap<String, Tries>,
    /// Names that no account has.
    others: HashMap<String, Tries>,
}

impl Throttle {
    fn names(&mut self, tried: Tried<'_>) -> &mut HashMap<String, Tries> {
        if tried.exists { &mut self.accounts } else { &mut self.others }
    }

    /// Whether a try from `place` may be checked now; else how long to wait.
    ///
    /// # Errors
    /// The time to wait, above zero.
    pub(crate) fn admit(&mut self, tried: Tried<'_>, place: &Place, now: Instant) -> Result<(), Duration> {
        let wait = self.names(tried).get(tried.name).map_or(Duration::ZERO, |tries| tries.wait(place, now));
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Notes a failed try. The answer says whether tries are slowed down from now on, for the journal.
    pub fn failed(&mut self, tried: Tried<'_>, place: &Place, now: Instant) -> bool {
        let names = self.names(tried);
        if !tried.exists && !names.contains_key(tried.name) {
            make_room(names, MOST_NAMES, |tries| tries.last);
        }
        names.entry(tried.name.to_owned()).or_insert_with(|| Tries::new(now)).failed(place, now) == FREE + 1
    }

    /// Notes a success: the place starts anew. What was guessed from it today stays counted.
    pub fn succeeded(&mut self, account: &str, place: &Place) {
        if let Some(tries) = self.accounts.get_mut(account) {
            tries.places.remove(place);
        }
    }
}

fn make_room<K: Eq + std::hash::Hash, V>(of: &mut HashMap<K, V>, most: usize, last: impl Fn(&V) -> Instant) {
    if of.len() < most {
        return;
    }
    // Half goes at once, so that a flood of new keys does not search the whole map each time.
    let mut times: Vec<Instant> = of.values().map(&last).collect();
    let middle = times.len() / 2;
    let (_, cut, _) = times.select_nth_unstable(middle);
    let cut = *cut;
    of.retain(|_, value| last(value) > cut);
}

/// The key under which an address is slowed down: an IPv6 network of 64 bits counts as one, for whoever has one
/// address of it has all.
pub(crate) fn address_key(reported: Option<&str>) -> String {
    let Some(text) = reported else { return String::new() };
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Tried<'_> = Tried { name: "anna", exists: true };

    fn elsewhere(address: &str) -> Place {
        Place::Elsewhere(address.to_owned())
    }

    /// Fails as often as it is let, for so long, and gives how often that was.
    fn guess(throttle: &mut Throttle, tried: Tried<'_>, places: &[Place], start: Instant, time: Duration) -> u32 {
        let (mut now, mut guesses) = (start, 0);
        while now < start + time {
            let mut soonest = Duration::from_mins(1);
            for place in places {
                match throttle.admit(tried, place, now) {
                    Ok(()) => {
                        throttle.failed(tried, place, now);
                        guesses += 1;
                        soonest = Duration::ZERO;
                    }
                    Err(wait) => soonest = soonest.min(wait),
                }
            }
            now += soonest.max(Duration::from_millis(1));
        }
        guesses
    }

    #[test]
    fn guessing_gets_slower_and_slower() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let guesses = guess(&mut throttle, ANNA, &[elsewhere("10.0.0.9")], start, 10 * LONGEST);
        assert!((10..=FREE + 1 + 6 + 10).contains(&guesses), "{guesses}");
        let now = start + 11 * LONGEST;
        assert_eq!(throttle.admit(ANNA, &elsewhere("10.0.0.9"), now), Ok(()), "the delay ends by itself");
    }

    #[test]
    fn whoever_shares_an_address_does_not_keep_others_out() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let proxy = elsewhere("10.0.0.1");
        for n in 0..50 {
            throttle.failed(Tried { name: "bert", exists: true }, &proxy, now);
            throttle.failed(Tried { name: &format!("x{n}"), exists: false }, &proxy, now);
        }
        assert_eq!(throttle.admit(ANNA, &proxy, now), Ok(()));
    }

    #[test]
    fn a_browser_a_session_and_an_address_that_are_known_have_tries_of_their_own() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let (address, browser) = ("10.0.0.1".to_owned(), Place::Browser("aa".to_owned()));
        for n in 0..1000 {
            throttle.failed(ANNA, &elsewhere(&format!("10.0.{n}.9")), now);
            throttle.failed(ANNA, &elsewhere("10.0.0.1"), now);
        }
        assert!(throttle.admit(ANNA, &elsewhere("10.7.7.7"), now).is_err(), "the day's guesses are used up");
        for place in [browser.clone(), Place::Session("bb".to_owned()), Place::Known(address)] {
            assert_eq!(throttle.admit(ANNA, &place, now), Ok(()));
        }
        for _ in 0..10 {
            throttle.failed(ANNA, &browser, now);
        }
        assert!(throttle.admit(ANNA, &browser, now).is_err(), "a stolen browser is slowed down, too");
        throttle.succeeded("anna", &browser);
        assert_eq!(throttle.admit(ANNA, &browser, now), Ok(()));
    }

    #[test]
    fn guesses_at_one_account_are_bounded_a_day_from_however_many_addresses() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let places: Vec<Place> = (0..500).map(|n| elsewhere(&n.to_string())).collect();
        let day = Duration::from_hours(24);
        let first = guess(&mut throttle, ANNA, &places, start, day);
        assert!(first <= 2 * GUESSES, "{first}");
        let second = guess(&mut throttle, ANNA, &places, start + day, day);
        assert!(second <= GUESSES + 1, "{second}");
    }

    #[test]
    fn a_name_that_no_account_has_is_slowed_down_alike() {
        let start = Instant::now();
        let places: Vec<Place> = (0..10).map(|n| elsewhere(&n.to_string())).collect();
        let of = |exists| {
            guess(&mut Throttle::default(), Tried { name: "anna", exists }, &places, start, Duration::from_hours(3))
        };
        assert_eq!(of(true), of(false));
    }

    #[test]
    fn a_flood_of_names_and_addresses_takes_bounded_memory_and_wins_back_no_guesses() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..GUESSES {
            throttle.failed(ANNA, &elsewhere(&format!("b{n}")), now);
        }
        for n in 0..20_000u32 {
            let now = now + Duration::from_millis(u64::from(n));
            throttle.failed(Tried { name: &n.to_string(), exists: false }, &elsewhere(&format!("a{n}")), now);
            throttle.failed(Tried { name: "zoe", exists: false }, &elsewhere(&format!("a{n}")), now);
        }
        assert!(throttle.others.len() <= MOST_NAMES, "{}", throttle.others.len());
        let places = throttle.others.values().map(|tries| tries.places.len()).max();
        assert!(places <= Some(MOST_PLACES), "{places:?}");
        assert!(throttle.admit(ANNA, &elsewhere("c"), now + Duration::from_secs(20)).is_err());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        assert_eq!(address_key(Some("2001:db8:1:2::1")), address_key(Some("2001:db8:1:2:ffff::9")));
        assert_eq!(address_key(Some("::ffff:10.0.0.1")), "10.0.0.1");
        assert_eq!(address_key(Some("nonsense\n")), "");
    }
}
