//! pot-console: a web console for FreeBSD hosts that run jails with pot.
//!
//! One binary, two processes. The **executor** (root) authenticates, plans, writes, runs and records;
//! the **web** process (unprivileged, chrooted) parses requests and logs and shows pages. They speak
//! over a socketpair in a closed set of messages ([`executor::protocol`]).
//!
//! Modules from top to bottom; each may use those below it that it needs, never one above:
//!
//! | module | what it is for |
//! |---|---|
//! | [`cli`] | one file per command |
//! | `simulator` | the simulated tools; uses only `potconf` and the leaves; only with the feature of its name, and only `cli`'s `demo` and `simulate` know of it |
//! | [`web`] | unprivileged: pages and fragments, guards, assets, server set-up |
//! | [`audit`] | the journal's projection in SQLite: store, query, export |
//! | [`activity`] | syslog: parse, read rotated files, search, follow |
//! | [`client`] | asks the executor across the socket (async, web side) |
//! | [`executor`] | protocol, server (root side), permissions, spawn |
//! | [`settings`] | the settings file, root's |
//! | [`accounts`] | users, passwords, roles, sessions, proofs (root side) |
//! | [`operations`] | init, vnet-start, de-init …: plan, run, verify, revert (root side) |
//! | [`journal`] | the chain: append, verify, checkpoints |
//! | [`host`] | the probes that gather facts about the host |
//! | [`refusal`] | why something was not done, in words: what operations and the executor answer with |
//! | [`rules`] | findings, limits and readings: pure functions of (configuration, facts) |
//! | [`facts`] | what is known about a host: data only |
//! | [`potconf`] | pot.conf: lossless document, shell words, parameters, edits, potnet's reading of it |
//! | [`files`] | where paths lead and who can change them, atomic replace, backups |
//! | [`process`] | running commands: closed list of tools, argument vectors, limits |
//! | [`layout`], [`diff`], [`digest`], [`secret`], [`bytes_as_base64`], [`facility`] | leaves: where files stand, line differences, SHA-256 and passwords as types, the facilities of syslog |
//! | [`platform`] | what differs between FreeBSD and Linux; the only `cfg(target_os)` and `unsafe` |
//!
//! `facts` stands below `rules` because rules are pure functions of facts, while the probes in `host`
//! may use rules and do I/O: data and its gathering are two subjects. `process` and `layout` stand below `host`
//! because probes, operations and the executor all run commands, and there is one way to do so.

#![allow(rustdoc::private_intra_doc_links, reason = "these pages are for those who work on the program")]

pub mod accounts;
pub mod activity;
pub mod audit;
pub mod bytes_as_base64;
pub mod cli;
pub mod client;
pub mod diff;
pub mod digest;
pub mod executor;
pub mod facility;
pub mod facts;
pub mod files;
pub mod host;
pub mod journal;
pub mod layout;
pub mod operations;
pub mod platform;
pub mod potconf;
pub mod process;
pub mod refusal;
pub mod rules;
pub mod secret;
pub mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod web;
