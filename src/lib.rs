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
//! | [`installation`] | what an installation of the console on a host is: what differs, the steps that end it, taking it away (root side) |
//! | [`executor`] | protocol, server (root side), permissions, spawn |
//! | [`archive`] | the console in one file: written, checked, put back |
//! | [`settings`] | the settings file, root's |
//! | [`accounts`] | users, passwords, roles, sessions, proofs (root side) |
//! | [`operations`] | init, vnet-start, de-init …: plan, run, verify, revert (root side) |
//! | [`journal`] | the chain: append, verify, checkpoints |
//! | [`network`] | the pots' network: its picture, its addresses, the ways through it; pure |
//! | [`host`] | the probes that gather facts about the host |
//! | [`refusal`] | why something was not done, in words: what operations and the executor answer with |
//! | [`plan`] | plans and runs: data that root's side makes and both sides read; how they read for people |
//! | [`rules`] | findings, limits and readings: pure functions of (configuration, facts) |
//! | [`facts`] | what is known about a host: data only |
//! | [`potconf`] | pot.conf: lossless document, shell words, parameters, edits, potnet's reading of it |
//! | [`files`] | where paths lead and who can change them, atomic replace, backups |
//! | [`process`] | running commands: closed list of tools, argument vectors, limits |
//! | [`clock`], [`formats`], [`layout`], [`diff`], [`digest`], [`secret`], [`bytes_as_base64`], [`facility`], [`theme`], `search_plainly` | leaves: where the time comes from, the versions of what is kept, where files stand, line differences, SHA-256 and passwords as types, the facilities of syslog, light or dark pages, searches in short text |
//! | [`platform`] | what differs between FreeBSD and Linux; the only `cfg(target_os)` and `unsafe` |
//!
//! A **save** from top to bottom: `web::configuration` takes the form → [`client`] asks → `executor::server` reads the
//! message → `executor::core` looks into `executor::permissions` → `executor::configuration` reviews the edits on the text
//! that it reads with [`rules::Review`], records the intent in [`journal`], replaces the file through [`files`], records
//! the outcome. A **run**: the same way to `executor::running`, then [`operations`]: `engine` plans and takes the lock,
//! `running` carries out, looks again, waits for Keep, puts back; pages read it as a [`plan::Run`]. A **log line**: syslogd
//! writes it, `executor::logs` opens the file and passes the descriptor on, [`activity`] reads it in the web process,
//! `web::activity` shows it.
//!
//! Words of the code, one for one thing (pages say it in plain English, which may differ):
//!
//! | word | what it is |
//! |---|---|
//! | requester | who asks the executor: account, session, role, proofs |
//! | command, reply, answer | what the executor is asked; what it sends back; what of it the asker asked for |
//! | actor | who did something, as the history has it |
//! | fact, facts | what was seen of the host, each known or not known with the reason |
//! | snapshot | facts and files read at one moment for one plan |
//! | configuration | pot.conf over pot.default.conf, read |
//! | finding, fix | what a rule says of a configuration; the edits that would end it |
//! | dismissed | of an advised to-do: someone does not want it; set-aside in routes, forms and files |
//! | limit, violation | what no one may write; a value that stands against it |
//! | review, verdict | what edits make of a configuration; what the rules say of that |
//! | plan, draft | what is shown and confirmed; the same with its actions and checks |
//! | run | a plan being carried out, or that was |
//! | keep, put back | the answers to a change that waits; reverting is putting back by itself |
//! | restore | to write a kept version of a file again |
//! | undo | to take back an edit of a form before it is saved |
//! | way back | edits that give values of pot.conf back as they were before an act of the history |
//! | version | a file's earlier content that is kept |
//! | intent, outcome | the records before and after a change |
//! | projection | the history in SQLite, made from the journal |
//! | generation | the live log or one rotated file of it |
//! | managed file | one that the console writes: pot.conf, pf.conf, rc.conf … |
//! | place | where a path really leads, and who can change the way there |
//! | spell | the time from a pot's start to its stop, as the log tells it |
//! | rate limiter, turn, share | how often one may; who is next; how much one may hold |
//!
//! `facts` stands below `rules` because rules are pure functions of facts, while the probes in `host`
//! may use rules and do I/O: data and its gathering are two subjects. `process` and `layout` stand below `host`
//! because probes, operations and the executor all run commands, and there is one way to do so.

#![allow(rustdoc::private_intra_doc_links, reason = "these pages are for those who work on the program")]

#[cfg(test)]
extern crate self as pot_console;

pub mod accounts;
pub mod activity;
pub mod archive;
pub mod audit;
pub mod bytes_as_base64;
pub mod cli;
pub mod client;
pub mod clock;
pub mod diff;
pub mod digest;
pub mod executor;
pub mod facility;
pub mod facts;
pub mod files;
pub mod formats;
pub mod host;
pub mod installation;
pub mod journal;
pub mod layout;
pub mod network;
pub mod operations;
#[cfg(test)]
#[path = "../tests/support/patience.rs"]
mod patience;
pub mod plan;
pub mod platform;
pub mod potconf;
pub mod process;
pub mod refusal;
pub mod rules;
mod search_plainly;
pub mod secret;
pub mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod theme;
pub mod web;
