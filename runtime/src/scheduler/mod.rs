//! Cron: finds what is due, claims it once, fires it through `engine::invoke`.
