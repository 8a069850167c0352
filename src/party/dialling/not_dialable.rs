//! Why what was dialled is nobody on WhatsApp.

/// Printed for the agent who dialled, or for the one who looks after the dialplan. Says nothing of the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotDialable {
    #[error("this is no telephone number and no WhatsApp user id")]
    NoNumber,
    #[error(
        "emergency and service numbers cannot be called over WhatsApp: dial it on a telephone line"
    )]
    Refused,
    #[error("this number is too short for a WhatsApp user")]
    TooShort,
    #[error("this number is too long: at most 15 digits with the country code")]
    TooLong,
    #[error("no country code begins with 0: dial the number without that 0")]
    NoCountryCode,
    #[error(
        "dial the number with + and its country code, or have dialling.country_code configured for national numbers"
    )]
    NoCountry,
    #[error(
        "dial the area code too: national numbers begin with the national prefix here, dialling.national_prefix"
    )]
    NoNationalPrefix,
}
