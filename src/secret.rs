//! Text that is not to be seen: passwords, codes and tokens.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Text that never appears in a log, a debug print or the journal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
