//! Claims about views as a whole: an edge, a link, and clients that read what comes.

mod convergence;
mod link;
pub(crate) mod world;
