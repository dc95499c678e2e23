//! potconf
