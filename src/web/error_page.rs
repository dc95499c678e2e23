//! How a fault is said: in the layout for a browser, in one line for htmx.

use super::layout::Frame;
use askama::Template;

/// `templates/error.html`: what failed, in the layout.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    /// The frame.
    pub frame: Frame,
    /// In few words.
    pub(crate) heading: String,
    /// What failed, on what.
    pub message: String,
    /// What to do now.
    pub remedy: String,
}

/// `templates/_partials/problem.html`: the same for htmx, at the head of the page that is open.
#[derive(Template)]
#[template(path = "_partials/problem.html")]
pub(crate) struct Problem {
    /// What failed, on what.
    pub message: String,
    /// What to do now.
    pub remedy: String,
}
