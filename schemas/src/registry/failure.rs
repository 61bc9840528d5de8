//! What a registry's refusals mean.

use std::error::Error;

use nowfold_core::serde::SerdeError;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

/// The failure of a look-up by id: final when the registry has no such schema, or it is not Avro.
pub(super) fn of_schema(id: u32, error: &SRCError) -> SerdeError {
    let cause = sentence(error);
    match status(error) {
        Some(404) => SerdeError::UnknownSchema { id, cause },
        None if !error.retriable && error.source().is_none() => SerdeError::UnknownSchema { id, cause },
        _ => SerdeError::RegistryUnavailable { cause },
    }
}

/// The failure of a registration: final when the registry refuses the schema or the caller.
pub(super) fn of_registration(subject: &str, error: &SRCError) -> SerdeError {
    let cause = sentence(error);
    match status(error) {
        Some(408 | 429) => SerdeError::RegistryUnavailable { cause },
        Some(400..=499) => SerdeError::unwritable(
            "Avro",
            format_args!("the registry refuses the schema for subject {subject}: {cause}"),
        ),
        _ => SerdeError::RegistryUnavailable { cause },
    }
}

/// The registry's own message where it gave one, else what went wrong on the way, to the innermost cause.
pub(super) fn sentence(error: &SRCError) -> String {
    if let Some(raw) = raw(error).filter(|raw| raw.error_code != 0) {
        return format!("{} (code {})", raw.message, raw.error_code);
    }
    let mut sentence = error.error.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        sentence = format!("{sentence}: {cause}");
        source = cause.source();
    }
    sentence
}

/// The HTTP status: the first three digits of the registry's code (40403 comes with 404), or the one in the message.
fn status(error: &SRCError) -> Option<u32> {
    match raw(error).map(|raw| raw.error_code) {
        Some(code @ 100..=999) => Some(code),
        Some(code @ 10_000..=99_999) => Some(code / 100),
        _ => {
            let (_, status) = error.error.split_once("status ")?;
            status.split(' ').next()?.parse().ok()
        }
    }
}

fn raw(error: &SRCError) -> Option<&RawError> {
    error.source()?.downcast_ref()
}
