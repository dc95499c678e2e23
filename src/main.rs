//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    pot_console::cli::main()
}
