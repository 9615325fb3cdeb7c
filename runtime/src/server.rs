//! Builds everything, starts the listeners and the scheduler, drains on shutdown.
