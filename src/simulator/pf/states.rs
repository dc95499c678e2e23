//! What a rule says of the states that it makes.

use super::lexer::Token;
use super::rules::Rule;
use super::tokens::{Taken, Tokens};
use super::{names, table};

/// An option of a rule's states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StateOption {
    Max(u32),
    NoSync,
    /// True: by each rule; false: over all rules; none: not said.
    SourceTrack(Option<bool>),
    MaxSrcStates(u32),
    MaxSrcConn(u32),
    MaxSrcConnRate(u32, u32),
    MaxSrcNodes(u32),
    /// Table, flush, of all rules.
    Overload(String, bool, bool),
    Lock(bool),
    Sloppy,
    Pflow,
    AllowRelated,
    Timeout(u8, u32),
}

pub(super) fn state_options(tokens: &mut Tokens<'_>) -> Taken<Vec<StateOption>> {
    let mut options = vec![state_option(tokens)?];
    loop {
        if tokens.sign(b',') {
            options.push(state_option(tokens)?);
            continue;
        }
        match tokens.peek() {
            Token::Text(_) => {}
            Token::Key(
                "max" | "no-sync" | "max-src-states" | "max-src-conn" | "max-src-conn-rate" | "max-src-nodes"
                | "overload" | "source-track" | "if-bound" | "floating" | "sloppy" | "pflow" | "allow-related",
            ) => {}
            _ => return Ok(options),
        }
        options.push(state_option(tokens)?);
    }
}

fn state_option(tokens: &mut Tokens<'_>) -> Taken<StateOption> {
    let most = i64::from(u32::MAX);
    let Token::Key(word) = *tokens.peek() else {
        let name = tokens.text()?;
        let seconds = tokens.number_to(most, positive)?;
        return match names::timeout(&name, true, tokens.major) {
            None => tokens.refuse(format_args!("illegal timeout name {name}")),
            Some(_) if !name.contains('.') => tokens.refuse(format_args!("illegal state timeout {name}")),
            Some(place) => Ok(StateOption::Timeout(place, seconds)),
        };
    };
    if matches!(word, "if-bound" | "floating") {
        return Ok(StateOption::Lock(state_lock(tokens)?));
    }
    if !matches!(
        word,
        "max"
            | "no-sync"
            | "max-src-states"
            | "max-src-conn"
            | "max-src-conn-rate"
            | "max-src-nodes"
            | "overload"
            | "source-track"
            | "sloppy"
            | "pflow"
            | "allow-related"
    ) {
        return tokens.syntax();
    }
    tokens.shift();
    Ok(match word {
        "max" => StateOption::Max(tokens.number_to(most, positive)?),
        "no-sync" => StateOption::NoSync,
        "max-src-states" => StateOption::MaxSrcStates(tokens.number_to(most, positive)?),
        "max-src-conn" => StateOption::MaxSrcConn(tokens.number_to(most, positive)?),
        "max-src-nodes" => StateOption::MaxSrcNodes(tokens.number_to(most, positive)?),
        "max-src-conn-rate" => {
            let (limit, seconds) = rate(tokens)?;
            StateOption::MaxSrcConnRate(limit, seconds)
        }
        "overload" => {
            let table = table::table_name(tokens)?;
            let flush = tokens.key("flush");
            StateOption::Overload(table, flush, flush && tokens.key("global"))
        }
        "source-track" => StateOption::SourceTrack(if tokens.key("global") {
            Some(false)
        } else if tokens.key("rule") {
            Some(true)
        } else {
            None
        }),
        "sloppy" => StateOption::Sloppy,
        "pflow" => StateOption::Pflow,
        _ => StateOption::AllowRelated,
    })
}

/// `NUMBER/SECONDS`
pub(super) fn rate(tokens: &mut Tokens<'_>) -> Taken<(u32, u32)> {
    let limit = tokens.number()?;
    tokens.expect_sign(b'/')?;
    let seconds = tokens.number()?;
    match (u32::try_from(limit), u32::try_from(seconds)) {
        (Ok(limit), Ok(seconds)) => Ok((limit, seconds)),
        _ => tokens.refuse(positive(limit)),
    }
}

/// Puts the options of states into a rule; true when they say what states are bound to.
pub(super) fn take_states(tokens: &mut Tokens<'_>, rule: &mut Rule, options: &[StateOption]) -> Taken<bool> {
    let (mut locked, mut adaptive) = (false, false);
    let mut track: Option<Option<bool>> = None;
    let states = &mut rule.states;
    for option in options {
        let twice = match option {
            StateOption::Max(_) if states.max != 0 => "state option 'max' multiple definitions".to_owned(),
            StateOption::NoSync if states.no_sync => "state option 'sync' multiple definitions".to_owned(),
            StateOption::SourceTrack(_) if track.is_some() => {
                "state option 'source-track' multiple definitions".to_owned()
            }
            StateOption::MaxSrcStates(_) if states.max_src_states != 0 => {
                "state option 'max-src-states' multiple definitions".to_owned()
            }
            StateOption::MaxSrcStates(0) => "'max-src-states' must be > 0".to_owned(),
            StateOption::Overload(..) if rule.overload.is_some() => "multiple 'overload' table definitions".to_owned(),
            StateOption::MaxSrcConn(_) if states.max_src_conn != 0 => {
                "state option 'max-src-conn' multiple definitions".to_owned()
            }
            StateOption::MaxSrcConn(0) => "'max-src-conn' must be > 0".to_owned(),
            StateOption::MaxSrcConnRate(..) if states.max_src_conn_rate.0 != 0 => {
                "state option 'max-src-conn-rate' multiple definitions".to_owned()
            }
            StateOption::MaxSrcConnRate(0, _) | StateOption::MaxSrcConnRate(_, 0) => {
                "'max-src-conn-rate' values must be > 0".to_owned()
            }
            StateOption::MaxSrcConnRate(limit, _) if *limit > u32::MAX / 1000 => {
                format!("'max-src-conn-rate' maximum rate must be < {}", u32::MAX / 1000)
            }
            StateOption::MaxSrcNodes(_) if states.max_src_nodes != 0 => {
                "state option 'max-src-nodes' multiple definitions".to_owned()
            }
            StateOption::MaxSrcNodes(0) => "'max-src-nodes' must be > 0".to_owned(),
            StateOption::Lock(_) if locked => "state locking option: multiple definitions".to_owned(),
            StateOption::Sloppy if states.sloppy => "state sloppy option: multiple definitions".to_owned(),
            StateOption::Pflow if states.pflow => "state pflow option: multiple definitions".to_owned(),
            StateOption::Timeout(place, _) if states.timeouts.get(usize::from(*place)).is_some_and(|old| *old != 0) => {
                format!("state timeout {} multiple definitions", names::timeout_name(*place))
            }
            _ => String::new(),
        };
        if !twice.is_empty() {
            return tokens.refuse(twice);
        }
        match option {
            StateOption::Max(max) => states.max = *max,
            StateOption::NoSync => states.no_sync = true,
            StateOption::SourceTrack(how) => {
                track = Some(*how);
                states.source_track = true;
            }
            StateOption::MaxSrcStates(max) => {
                states.max_src_states = *max;
                states.source_track = true;
            }
            StateOption::Overload(table, flush, global) => {
                rule.overload = Some((table.clone(), *flush, *global));
            }
            StateOption::MaxSrcConn(max) => {
                states.max_src_conn = *max;
                (states.source_track, states.per_rule) = (true, true);
            }
            StateOption::MaxSrcConnRate(limit, seconds) => {
                states.max_src_conn_rate = (*limit, *seconds);
                (states.source_track, states.per_rule) = (true, true);
            }
            StateOption::MaxSrcNodes(max) => {
                states.max_src_nodes = *max;
                (states.source_track, states.per_rule) = (true, true);
            }
            StateOption::Lock(bound) => {
                locked = true;
                states.if_bound |= *bound;
            }
            StateOption::Sloppy => states.sloppy = true,
            StateOption::Pflow => states.pflow = true,
            StateOption::AllowRelated => {}
            StateOption::Timeout(place, seconds) => {
                adaptive |= matches!(*place, names::ADAPTIVE_START | names::ADAPTIVE_END);
                if let Some(slot) = states.timeouts.get_mut(usize::from(*place)) {
                    *slot = *seconds;
                }
            }
        }
    }
    if !adaptive && states.max != 0 {
        let tenth = states.max / 10;
        states.timeouts[usize::from(names::ADAPTIVE_START)] = tenth.saturating_mul(6);
        states.timeouts[usize::from(names::ADAPTIVE_END)] = tenth.saturating_mul(12);
    }
    if states.source_track {
        let global = track == Some(Some(false));
        for (given, word) in [
            (states.max_src_nodes != 0, "max-src-nodes"),
            (states.max_src_conn != 0, "max-src-conn"),
            (states.max_src_conn_rate.1 != 0, "max-src-conn-rate"),
        ] {
            if global && given {
                return tokens.refuse(format_args!("'{word}' is incompatible with 'source-track global'"));
            }
        }
        let slot = &mut states.timeouts[usize::from(names::SOURCE_TRACK)];
        *slot = (*slot).max(states.max_src_conn_rate.1);
        states.per_rule |= track == Some(Some(true));
    }
    Ok(locked)
}

/// `if-bound` or `floating`: whether states are bound to their interface.
pub(super) fn state_lock(tokens: &mut Tokens<'_>) -> Taken<bool> {
    if tokens.key("if-bound") {
        Ok(true)
    } else if tokens.key("floating") {
        Ok(false)
    } else {
        tokens.syntax()
    }
}

/// What is wrong with a number that is negative or too large.
pub(super) fn positive(_: i64) -> String {
    "only positive values permitted".to_owned()
}
