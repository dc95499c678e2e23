//! A command's arguments, whose grammar is built once that command is called: twenty of them at each start cost more time
//! than what most of them do.

use clap::builder::Resettable;
use clap::error::Error;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// Arguments of a command among many.
#[derive(Debug)]
pub(super) struct Later<T>(pub(super) T);

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Later<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| described(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| described(command, T::augment_args_for_update))
    }
}

/// What the command is for is said where it stands among the others, not at its arguments.
fn described(command: Command, augment: fn(Command) -> Command) -> Command {
    let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
    augment(command).about(Resettable::from(about)).long_about(Resettable::from(long_about))
}

#[cfg(test)]
mod tests {
    use super::super::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn each_command_says_what_it_is_for_and_takes_what_it_took() {
        let mut program = Arguments::command();
        let words = program.find_subcommand("check").and_then(|check| check.get_about()).map(ToString::to_string);
        program.build();
        let check = program.find_subcommand("check").unwrap();
        assert_eq!(check.get_about().map(ToString::to_string), words);
        assert!(words.is_some_and(|words| words.starts_with("Show the findings")));
        assert!(check.get_arguments().any(|argument| argument.get_id() == "offline"));
        assert!(check.get_arguments().any(|argument| argument.get_id() == "root"), "options of every command");
        for line in ["check --offline --root /x", "--root /x check --offline", "--format json audit list", "help check"]
        {
            let parsed = Arguments::try_parse_from(["pot-console"].into_iter().chain(line.split(' ')));
            let is_help = parsed.as_ref().is_err_and(|error| error.kind() == clap::error::ErrorKind::DisplayHelp);
            assert!(parsed.is_ok() || is_help, "{line}: {:?}", parsed.err());
        }
        assert!(Arguments::try_parse_from(["pot-console", "check", "--ofline"]).is_err());
    }
}
