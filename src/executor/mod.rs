//! The border between the two processes and the root side behind it.
//!
//! [`protocol`] is the border itself; [`crate::client`] is the web process's side of it. All else is the root side: a request
//! is read by [`server`], judged by [`core`] with the one table in [`permissions`], and answered by one of four parts, each
//! with its own fields: `authentication` (accounts, sessions), `configuration` (pot.conf), `watch` (facts, changes made by
//! others, logs; in `facts`, `interrupted`, `logs`) and `running` (operations). `managed` says where files stand, `evidence`
//! writes the journal, `outbox` holds answers and hints. [`local`] is the same executor inside of a command line.

pub mod approval;
mod authentication;
mod common;
mod configuration;
pub mod core;
mod evidence;
mod facts;
mod facts_cache;
mod forward;
pub mod frame;
mod interrupted;
pub mod local;
pub(crate) mod logs;
mod managed;
mod outbox;
#[cfg(feature = "simulator")]
pub(crate) mod past;
pub mod permissions;
pub mod processes;
pub mod protocol;
mod queues;
mod rate_limiters;
mod requester;
mod running;
mod server;
mod start;
mod strip;
pub mod tls;
mod watch;
pub(crate) mod web_log;

pub(crate) use self::authentication::{code_file, waiting_setup_code};
pub use self::core::Executor;
pub use self::server::End;
pub(crate) use self::start::{end_cut_off_restore, head_path};
