//! What an installation of the console on a host is: one table, and all that follows from it.
//!
//! [`look`] reads what there is and changes nothing. [`judge`] holds it against the table: each row is as it should be,
//! differs with the steps that end the difference, or is not known. `setup` carries out the [`steps`] and looks again;
//! `setup --check` and `selftest` show the same rows. [`made`] is root's record of what was made here, so that [`removal`]
//! takes away that, and nothing that was there before.
//!
//! | part | as it should be | made by |
//! |---|---|---|
//! | group, user | unprivileged, `potconsole` unless the settings name another; no shell, no home | package, or `pw` |
//! | `/usr/local/etc/pot-console.toml` | root's, writable by no other, understood | setup, never changed by it |
//! | `/var/db/pot-console` | a folder of root's, 0755, writable by no other | setup or `serve` |
//! | `/var/db/pot-console/root` | a folder of root's alone, 0700 | setup or `serve` |
//! | `/var/db/pot-console/web` | the web process's, 0700 | setup or `serve` |
//! | certificate | the one that the settings name, else a self-signed one for the host's names and addresses | setup or `serve` |
//! | `/usr/local/etc/rc.d/pot_console` | executable | the package |
//! | `pot_console_enable` | yes in rc.conf | `sysrc` |
//! | service | runs | `service` |
//! | account | one admin at least | `--admin`, or the browser with the one-time code |

pub(crate) mod host;
pub(crate) mod judge;
pub(crate) mod line;
pub(crate) mod look;
pub(crate) mod made;
pub(crate) mod removal;
pub(crate) mod steps;
