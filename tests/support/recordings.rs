//! Where the recordings stand of what real FreeBSDs answered: see `tests/recordings/README.md`.

use std::path::{Path, PathBuf};

/// Their folder.
pub fn folder() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    std::env::var_os("POT_CONSOLE_TRANSCRIPTS").map_or_else(own, PathBuf::from)
}
