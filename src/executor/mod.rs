//! The border between the two processes and the root side behind it.
//!
//! [`protocol`] is the border itself; [`crate::client`] is the web process's side of it. All else is the root side: a request
//! is read by [`server`], judged by [`core`] with the one table in [`permissions`], and answered by one of the
//! rooms: signing, configuration, versions, logs, running. [`evidence`] writes the journal. [`local`] is the same
//! executor inside of a command line.

pub mod approval;
mod configuration;
pub mod core;
mod evidence;
mod facts;
mod forward;
pub mod frame;
pub mod local;
pub(crate) mod logs;
pub mod permissions;
pub mod processes;
pub mod protocol;
mod queues;
mod running;
mod server;
mod signing;
mod start;
pub mod tls;
mod versions;
mod watch;
pub(crate) mod web_log;

pub use self::core::Executor;
pub use self::server::End;
pub use self::start::{StartError, head_path};
