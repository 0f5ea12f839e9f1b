//! The endpoints of administrators, one file a noun (api.md section 4).

pub(in crate::http) mod audit;
pub(in crate::http) mod keys;
pub(in crate::http) mod permissions;
pub(in crate::http) mod roles;
pub(in crate::http) mod services;
pub(in crate::http) mod users;

use futures_util::TryFutureExt;
use maestro_auth_domain::CatalogueError;
use maestro_auth_service::AdminError;

use crate::http::error::FieldError;
use crate::http::{ApiError, ErrorCode, in_time};

/// One of the lists of names in a request body, in the client's own order.
type Sent<'a> = (&'static str, Vec<&'a str>);

/// Awaits an order, and tells the client why it was not carried out if so.
async fn carried_out<T>(
    order: impl Future<Output = Result<T, AdminError>>,
    noun: &'static str,
    sent: &[Sent<'_>],
) -> Result<T, ApiError> {
    in_time(order.map_err(|error| refusal(error, noun, sent))).await
}

/// What a client is told of an order that was not carried out. `noun` is what the order was about, and `sent` are the lists that
/// it brought, so that the answer can point to the item at fault.
fn refusal(error: AdminError, noun: &'static str, sent: &[Sent<'_>]) -> ApiError {
    match error {
        AdminError::PermissionMissing(name) => {
            ApiError::forbidden(format!("The permission {name} is missing."))
        }
        AdminError::Caller(error) => error.into(),
        AdminError::UnknownRole(role) => unknown_role(sent, "roles", role.as_str()),
        AdminError::TooManyRoles => refuse_field(
            "/roles".to_owned(),
            "too_many_items",
            "These are more roles than one account may have.",
        ),
        AdminError::UnknownPermission(name) => unknown_permission(sent, name.as_str()),
        AdminError::NotFound => ApiError::no_such(noun),
        AdminError::EmailTaken => ApiError::new(ErrorCode::EmailTaken),
        AdminError::NameTaken => conflict("Another service has this name."),
        AdminError::LastAdmin => ApiError::new(ErrorCode::LastAdmin),
        AdminError::RoleHeld => conflict("The role still belongs to an account."),
        AdminError::PermissionHeld(service) => {
            ApiError::with_detail(ErrorCode::Conflict, format!("The service {service} still has it."))
        }
        AdminError::RoleAssignable(role) => ApiError::with_detail(
            ErrorCode::Conflict,
            format!(
                "Strangers may ask for the role {role}, which must hence exist and not permit everything."
            ),
        ),
        AdminError::Catalogue(error) => refusal_of_catalogue(error, noun, sent),
        AdminError::Overtaken => conflict("Others keep changing the same thing; try again."),
        AdminError::Hash(error) => error.into(),
        AdminError::Store(error) => error.into(),
    }
}

fn refusal_of_catalogue(error: CatalogueError, noun: &'static str, sent: &[Sent<'_>]) -> ApiError {
    match error {
        CatalogueError::UnknownPermission(name) => unknown_permission(sent, name.as_str()),
        CatalogueError::UnknownInherited(role) => unknown_role(sent, "inherits", role.as_str()),
        CatalogueError::Cycle(role) => refuse_field(
            pointer(sent, "inherits", role.as_str()),
            "role_cycle",
            "This is the role itself, or one that inherits from it.",
        ),
        CatalogueError::BuiltIn => conflict("It comes with the server and stays as it is."),
        CatalogueError::Unknown => ApiError::no_such(noun),
        CatalogueError::NamedByRole(role) => {
            ApiError::with_detail(ErrorCode::Conflict, format!("The role {role} still names it."))
        }
        CatalogueError::TooMany => conflict("There are as many as there may be."),
        CatalogueError::TooLarge => {
            conflict("All roles together would permit more than the services that load them take.")
        }
    }
}

fn unknown_role(sent: &[Sent<'_>], list: &'static str, role: &str) -> ApiError {
    refuse_field(pointer(sent, list, role), "unknown_role", "There is no role of this name.")
}

fn unknown_permission(sent: &[Sent<'_>], name: &str) -> ApiError {
    let place = pointer(sent, "permissions", name);
    refuse_field(place, "unknown_permission", "There is no permission of this name.")
}

/// Where in the body the name stands (RFC 6901).
fn pointer(sent: &[Sent<'_>], list: &'static str, name: &str) -> String {
    let names = sent.iter().find(|(own, _)| *own == list).map(|(_, names)| names);
    match names.and_then(|names| names.iter().position(|own| *own == name)) {
        Some(index) => format!("/{list}/{index}"),
        None => format!("/{list}"),
    }
}

fn refuse_field(pointer: String, code: &'static str, detail: &'static str) -> ApiError {
    ApiError::invalid_fields(vec![FieldError::new(pointer, code, detail)])
}

fn conflict(detail: &'static str) -> ApiError {
    ApiError::with_detail(ErrorCode::Conflict, detail)
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::{PermissionName, RoleName};

    use super::*;

    #[test]
    fn a_refusal_points_to_the_item_at_fault() {
        let sent = [("roles", vec!["viewer", "owner"]), ("inherits", vec!["a", "b", "c"])];
        let pointed = |error: AdminError| {
            let error = refusal(error, "role", &sent);
            assert_eq!(error.code, ErrorCode::ValidationFailed);
            (error.errors[0].pointer.clone(), error.errors[0].code)
        };
        let role = |name| RoleName::parse(name).unwrap();
        assert_eq!(pointed(AdminError::UnknownRole(role("owner"))), ("/roles/1".to_owned(), "unknown_role"));
        let cycle = AdminError::Catalogue(CatalogueError::Cycle(role("c")));
        assert_eq!(pointed(cycle), ("/inherits/2".to_owned(), "role_cycle"));
        let unknown = AdminError::UnknownPermission(PermissionName::parse("a:b").unwrap());
        assert_eq!(pointed(unknown), ("/permissions".to_owned(), "unknown_permission"));
    }

    #[test]
    fn a_refusal_says_what_there_is_none_of_and_which_permission_is_missing() {
        let detail = |error| refusal(error, "user", &[]).detail.into_owned();
        assert_eq!(detail(AdminError::NotFound), "There is no such user.");
        let missing = PermissionName::parse("model:deploy").unwrap();
        assert_eq!(detail(AdminError::PermissionMissing(missing)), "The permission model:deploy is missing.");
    }
}
