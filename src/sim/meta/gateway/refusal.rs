//! Why WhatsApp refuses a business-initiated call, in its own words (dossier 2.9).

use crate::sim::meta::gateway::account::Business;

/// In the order in which the gateway looks (dossier 10.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Refusal {
    /// The request URI is a `sips:` one, or its host is not `wa.meta.vc` by name.
    Address,
    /// The number called lacks its `+`.
    NoPlus,
    /// From is not a business number.
    Asset,
    /// The host of From is not the configured one.
    Server,
    /// The challenge was answered wrong.
    Digest,
    /// The digest is for another address than the call.
    DigestUri,
    /// The app may not use the number.
    App,
    Billing,
    Permission,
    DailyLimit,
    /// A call between the two is active.
    Duplicate,
    /// The number has as many calls as it may have.
    Concurrency,
    Sdp,
}

impl Refusal {
    pub fn status(self, business: &Business) -> u16 {
        match self {
            Self::Address => 404,
            Self::NoPlus => 500,
            Self::Asset => 400,
            Self::Concurrency => business.over_limit,
            Self::Server
            | Self::Digest
            | Self::DigestUri
            | Self::App
            | Self::Billing
            | Self::Permission
            | Self::DailyLimit
            | Self::Duplicate
            | Self::Sdp => 403,
        }
    }

    /// The reason phrase, repeated in the Warning. `host` is the one of From.
    pub fn text(self, business: &Business, host: &str) -> String {
        let id = &business.phone_number_id;
        let text = match self {
            Self::Address => "Not Found",
            Self::NoPlus => "Internal Server Error",
            Self::Asset => "Asset not found, invalid business phone number",
            Self::Server => {
                return format!(
                    "SIP server {host} from INVITE does not match any SIP server configured for phone number id {id}"
                );
            }
            Self::Digest => "Invalid digest auth response",
            Self::DigestUri => "Proxy auth uri does not match SIP \"to\" uri",
            Self::App => {
                let app = &business.app_id;
                return format!(
                    "The app {app} configured for SIP server {host} is not authorized for phone number id {id}"
                );
            }
            Self::Billing => "Business eligibility / payment issue",
            Self::Permission => {
                "No Approved Call Permission Found: No approved call permission from the recipient"
            }
            Self::DailyLimit => "Business Initiated Connected Call Per Day Limit Hit",
            Self::Duplicate => "Duplicate call: a call between the pair is active",
            Self::Concurrency => "Service Unavailable",
            Self::Sdp => "SDP Validation Error",
        };
        text.into()
    }
}
