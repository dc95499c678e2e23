//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    #[cfg(feature = "simulator")]
    if let Some(code) = pot_console::simulator::tool_main() {
        return code;
    }
    pot_console::cli::main()
}
