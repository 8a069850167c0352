//! Who is calling: phone numbers, business-scoped user ids, display names. All masked when printed.
