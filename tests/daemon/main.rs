//! The program as an operator meets it: started, asked, told to reload and to stop, misconfigured.

mod admin;
mod calls;
mod check;
mod cost;
mod lifecycle;
mod metrics;
mod reload;
mod service_manager;
mod support;
