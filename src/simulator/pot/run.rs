//! One command of pot: what it says, how it reads its options, and the tools that it asks.

use std::fs;
use std::path::PathBuf;

use super::super::call::{BadOption, Call, Failure, Flag, getopt, has, value_of};
use super::super::pot_settings::Settings;
use super::pots::Pots;

pub(super) struct Run<'a> {
    pub call: &'a mut Call,
    pub settings: Settings,
    pub pots: Pots,
    pub(crate) verbose: bool,
}

/// Ends the command with a status, everything having been said.
pub(super) fn exit(status: u8) -> Failure {
    Failure::new(status, "")
}

impl<'a> Run<'a> {
    pub fn new(call: &'a mut Call, settings: Settings) -> Self {
        let pots = Pots::new(call.machine.clone(), settings.fs_root());
        Self { call, settings, pots, verbose: false }
    }

    pub fn error(&mut self, text: impl std::fmt::Display) {
        self.call.say(format_args!("###>  {text}"));
    }

    pub(crate) fn info_line(&mut self, text: impl std::fmt::Display) {
        self.call.say(format_args!("===>  {text}"));
    }

    pub fn debug(&mut self, text: impl std::fmt::Display) {
        if self.verbose {
            self.call.say(format_args!("=====>  {text}"));
        }
    }

    /// Options of a command; -h prints its help, a wrong one prints it and fails.
    pub fn options<'b>(
        &mut self,
        args: &'b [String],
        known: &str,
        help: &str,
    ) -> Result<(Vec<Flag>, &'b [String]), Failure> {
        match getopt(args, known) {
            Ok((flags, rest)) => {
                if has(&flags, 'h') {
                    self.call.say(help);
                    return Err(exit(0));
                }
                self.verbose = has(&flags, 'v');
                Ok((flags, rest))
            }
            Err(error) => {
                self.wrong_option(&error);
                self.call.say(help);
                Err(exit(1))
            }
        }
    }

    /// What sh's getopts says.
    pub(crate) fn wrong_option(&mut self, error: &BadOption) {
        self.call.warn(match error {
            BadOption::Unknown(letter) => format!("Illegal option -{letter}"),
            BadOption::NoValue(letter) => format!("No arg for -{letter} option"),
        });
    }

    pub(crate) fn dataset_exists(&mut self, name: &str) -> bool {
        !name.is_empty() && self.call.output_of("zfs", &["list", "-o", "name", "-H", name], false).1 == name
    }

    pub(crate) fn dataset_is_at(&mut self, name: &str, mountpoint: &str) -> bool {
        !mountpoint.is_empty()
            && self.dataset_exists(name)
            && self.call.output_of("zfs", &["list", "-H", "-o", "mountpoint", name], false).1 == mountpoint
    }

    pub(crate) fn interface_exists(&mut self, name: &str) -> bool {
        self.call.run_quietly("ifconfig", &[name]) == 0
    }

    pub(crate) fn address_on(&mut self, interface: &str, address: &str) -> bool {
        let (_, text) = self.call.output_of("ifconfig", &[interface], true);
        text.lines().any(|line| line.contains("inet ") && line.contains(&format!(" {address} ")))
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.call.machine.path(path)
    }

    pub(crate) fn make_folder(&mut self, path: &str) {
        if let Err(error) = fs::create_dir_all(self.path(path)) {
            self.call.warn(format_args!("mkdir: {path}: {error}"));
        }
    }

    pub fn copy(&mut self, from: &str) {
        let to = format!("{from}.bkp-pot");
        match fs::copy(self.path(from), self.path(&to)) {
            Ok(_) => self.call.say(format_args!("{from} -> {to}")),
            Err(error) => self.call.warn(format_args!("cp: {to}: {error}")),
        }
    }

    pub(crate) fn is_tmp_there(&mut self) -> bool {
        let tmp = self.settings.tmp().to_owned();
        if !self.path(&tmp).is_dir() {
            self.make_folder(&tmp);
        }
        self.path(&tmp).is_dir()
    }

    pub fn pf_file(&mut self) -> String {
        self.call.output_of("sysrc", &["-n", "pf_rules"], true).1
    }

    pub(crate) fn is_pot(&mut self, pot: &str) -> bool {
        !pot.is_empty()
            && !pot.contains('/')
            && self.path(&format!("{}/jails/{pot}/conf/pot.conf", self.settings.fs_root())).exists()
            && self.dataset_exists(&format!("{}/jails/{pot}", self.settings.zfs_root()))
    }

    pub fn runs(&mut self, pot: &str) -> bool {
        self.call.run_quietly("jls", &["-j", pot]) == 0
    }

    pub fn used(&mut self, dataset: &str) -> String {
        self.call.output_of("zfs", &["list", "-o", "used", "-H", dataset], true).1
    }

    pub(crate) fn need_init(&mut self) -> Result<(), Failure> {
        let (zfs_root, fs_root) = (self.settings.zfs_root().to_owned(), self.settings.fs_root().to_owned());
        if self.dataset_is_at(&zfs_root, &fs_root) {
            return Ok(());
        }
        self.error("Your system is not initialized, please run pot init");
        Err(exit(1))
    }

    pub fn named(&mut self, flags: &[Flag], rest: &[String]) -> Result<String, Failure> {
        let name = value_of(flags, 'p').or(rest.first().map(String::as_str)).unwrap_or_default().to_owned();
        if name.is_empty() {
            self.error("A pot name is mandatory");
            return Err(exit(1));
        }
        Ok(name)
    }
}
