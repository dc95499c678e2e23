//! The executor as its neighbours meet it: the web process, be it honest or hostile, the command line beside it, a
//! sudden death at every step, and the two processes with what the web process still has.

mod child;
mod crash;
mod hostile;
mod main_path;
mod permissions;
mod processes;
mod rig;
mod writers;
