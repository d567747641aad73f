//! Checks Countersign access tokens.
