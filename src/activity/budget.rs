//! How much text one reading looks at: whoever may look at a log must not keep this process busy for minutes.

/// What one reading may look at, in bytes of text after unpacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// When so much was looked at, the reading ends before the next block of a plain file or the next packed file. One
    /// of them is read in any case, so that readings which go on where another one ended come to the log's end.
    pub text: u64,
    /// A packed file can be read only from its beginning, to its end, where its newest line stands. One that holds more
    /// than this is not read; nor is as much of a plain one without any line that syslogd wrote.
    pub packed: u64,
    /// A page that has entries leaves packed files to the next one, beyond this many bytes as they stand on the disk.
    pub packed_for_more: u64,
}

impl Budget {
    /// For whoever pays for it: a command, an export.
    pub const UNBOUNDED: Self = Self { text: u64::MAX, packed: u64::MAX, packed_for_more: u64::MAX };
}

/// What of a budget is used up.
#[derive(Debug)]
pub(super) struct Meter {
    budget: Budget,
    spent: u64,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, spent: 0 }
    }

    pub(super) fn count(&mut self, bytes: u64) {
        self.spent = self.spent.saturating_add(bytes);
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.spent >= self.budget.text.max(1)
    }

    /// What a file may hold at most, whatever else was read.
    pub(super) fn most(&self) -> u64 {
        self.budget.packed
    }

    /// What a packed file may hold to be read now. The first file of a reading may hold more than a reading may look at.
    pub(super) fn room(&self) -> u64 {
        let left = self.budget.text.saturating_sub(self.spent);
        if self.spent == 0 { self.most() } else { self.most().min(left) }
    }
}
