//! Slows down guessing, per account and per reported address, without ever shutting the right person out.
//!
//! The reported address comes from the web process and may be a lie, so the account alone slows down, too. But then
//! anyone could keep an account closed by failing all the time. Hence two ways stay open while an account is slowed
//! down: an address from which it signed in before, and, once a second, an address that has not failed yet.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures before the delay begins: people mistype.
const FREE: u32 = 4;
/// Longest delay.
const LONGEST: Duration = Duration::from_mins(1);
/// Failures are forgotten after this time without a further one.
const FORGET: Duration = Duration::from_mins(15);
/// Most names and addresses remembered; the oldest goes first.
const MOST: usize = 4096;
/// An address that has not failed yet is let through this often while the account is slowed down.
const NEWCOMER_EVERY: Duration = Duration::from_secs(1);

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
        (self.last + self.delay()).saturating_duration_since(now)
    }
}

/// What failed lately.
#[derive(Debug, Default)]
pub struct Throttle {
    accounts: HashMap<String, Failures>,
    addresses: HashMap<String, Failures>,
    newcomers: HashMap<String, Instant>,
}

impl Throttle {
    /// Whether a try for `account` from `address` may be checked now; else how long to wait. `known`: the account
    /// signed in from that address before.
    ///
    /// # Errors
    /// The time to wait, above zero.
    pub fn admit(&mut self, account: &str, address: &str, known: bool, now: Instant) -> Result<(), Duration> {
        let by_address = self.addresses.get(address).filter(|failures| now < failures.last + FORGET).copied();
        if let Some(wait) = by_address.map(|failures| failures.wait(now)).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        let by_account = self.accounts.get(account).filter(|failures| now < failures.last + FORGET).copied();
        let Some(wait) = by_account.map(|failures| failures.wait(now)).filter(|wait| !wait.is_zero()) else {
            return Ok(());
        };
        if known {
            return Ok(());
        }
        let newcomer_waits = self.newcomers.get(account).is_some_and(|last| now < *last + NEWCOMER_EVERY);
        if by_address.is_none() && !address.is_empty() && !newcomer_waits {
            make_room(&mut self.newcomers, |last| *last);
            self.newcomers.insert(account.to_owned(), now);
            return Ok(());
        }
        Err(wait)
    }

    /// Notes a failed try. The answer says whether tries are slowed down from now on, for the journal.
    pub fn failed(&mut self, account: &str, address: &str, now: Instant) -> bool {
        let one = note(&mut self.accounts, account, now);
        let other = if address.is_empty() { 0 } else { note(&mut self.addresses, address, now) };
        one == FREE + 1 || other == FREE + 1
    }

    /// Notes a success: the address starts anew. The account's failures stay, for they may be another's guesses;
    /// but one of them is forgiven, so that a person who mistypes now and then is never slowed down.
    pub fn succeeded(&mut self, account: &str, address: &str) {
        self.addresses.remove(address);
        if let Some(failures) = self.accounts.get_mut(account) {
            failures.count = if failures.count <= FREE { 0 } else { failures.count - 1 };
        }
    }
}

fn note(of: &mut HashMap<String, Failures>, key: &str, now: Instant) -> u32 {
    if !of.contains_key(key) {
        make_room(of, |failures| failures.last);
    }
    let failures = of.entry(key.to_owned()).or_insert(Failures { count: 0, last: now });
    if now >= failures.last + FORGET {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
    failures.count
}

fn make_room<V>(of: &mut HashMap<String, V>, last: impl Fn(&V) -> Instant) {
    if of.len() < MOST {
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
pub fn address_key(reported: Option<&str>) -> String {
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

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn guessing_gets_slower_and_slower() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let start = now;
        for _ in 0..20 {
            if let Err(wait) = throttle.admit("anna", "10.0.0.9", false, now) {
                now += wait;
            }
            assert_eq!(throttle.admit("anna", "10.0.0.9", false, now), Ok(()));
            throttle.failed("anna", "10.0.0.9", now);
        }
        assert!(now - start > 10 * LONGEST, "{:?}", now - start);
    }

    #[test]
    fn a_person_at_a_known_address_gets_in_while_another_guesses() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..50 {
            throttle.failed("anna", "10.0.0.9", now);
        }
        assert!(throttle.admit("anna", "10.0.0.9", false, now).is_err());
        assert_eq!(throttle.admit("anna", "10.0.0.2", true, now), Ok(()));
    }

    #[test]
    fn a_new_address_gets_a_try_but_many_new_ones_only_one_a_second() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..50 {
            throttle.failed("anna", "10.0.0.9", now);
        }
        let admitted = (0..200).filter(|n| throttle.admit("anna", &format!("10.1.0.{n}"), false, now).is_ok()).count();
        assert_eq!(admitted, 1);
        assert_eq!(throttle.admit("anna", "10.2.0.1", false, now + SECOND), Ok(()));
    }

    #[test]
    fn the_delay_ends_by_itself() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..2000 {
            throttle.failed("anna", "10.0.0.9", now);
        }
        assert_eq!(throttle.admit("anna", "10.0.0.9", false, now).unwrap_err(), LONGEST);
        assert_eq!(throttle.admit("anna", "10.0.0.9", false, now + LONGEST), Ok(()));
    }

    #[test]
    fn a_flood_of_names_and_addresses_takes_bounded_memory() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..20_000u32 {
            throttle.failed(&n.to_string(), &format!("a{n}"), now + Duration::from_millis(u64::from(n)));
        }
        assert!(throttle.accounts.len() <= MOST && throttle.addresses.len() <= MOST);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        assert_eq!(address_key(Some("2001:db8:1:2::1")), address_key(Some("2001:db8:1:2:ffff::9")));
        assert_eq!(address_key(Some("::ffff:10.0.0.1")), "10.0.0.1");
        assert_eq!(address_key(Some("nonsense\n")), "");
    }
}
