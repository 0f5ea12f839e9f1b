//! Accounts, as administrators see and change them.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{
    DisplayName, Email, Password, PasswordPolicy, RoleName, Roles, UserChange, UserFilter, UserId, Violation,
};
use maestro_auth_service::{NewAccount, UserView};
use utoipa::{IntoParams, ToSchema};

use super::{Sent, carried_out};
use crate::http::access::Caller;
use crate::http::openapi::{UnknownProblems, UserCreateProblems, UserDeleteProblems, UserUpdateProblems};
use crate::http::page::{Asked, Page, PageParams};
use crate::http::query::Query;
use crate::http::routes::representations::UserBody;
use crate::http::{ApiError, Fields, HttpState, body, in_time, path_id};

const NOUN: &str = "user";

/// Which users are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; the handler takes its parameters out one by one")]
pub(in crate::http) struct UserParams {
    /// A part of the address or the name, in any case.
    #[param(min_length = 1, max_length = 100, example = "ada")]
    query: Option<String>,
    /// A role that the users have.
    #[param(max_length = 64, example = "viewer")]
    role: Option<String>,
    /// Whether the users may sign in.
    #[param(example = true)]
    active: Option<bool>,
}

/// An account that an administrator makes for somebody.
#[derive(ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct NewUserBody {
    /// At most 254 bytes; trimmed, and compared without regard to case.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// 1–100 characters.
    #[schema(min_length = 1, max_length = 100, example = "Ada Lovelace")]
    name: String,
    /// The first is the primary one; `viewer` alone when left out. The caller must hold all that they permit.
    #[schema(nullable = false, min_items = 1, max_items = 50, example = json!(["developer"]))]
    roles: Option<Vec<String>>,
    /// As at registration.
    #[schema(format = Password, min_length = 8, max_length = 128, example = "a quiet harbour at dawn")]
    password: String,
}

/// What is to change of an account: a merge patch (RFC 7396). What is left out stays.
#[derive(ToSchema)]
#[schema(as = UserPatch)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct UserPatchBody {
    /// 1–100 characters.
    #[schema(nullable = false, min_length = 1, max_length = 100, example = "Ada Lovelace")]
    name: Option<String>,
    /// All roles from now on, the primary one first. The caller must hold all that they permit.
    #[schema(nullable = false, min_items = 1, max_items = 50, example = json!(["ml_engineer"]))]
    roles: Option<Vec<String>>,
    /// `false` ends every session and keeps the user out.
    #[schema(nullable = false, example = true)]
    is_active: Option<bool>,
}

/// Lists users in the order of their creation.
///
/// A page may hold fewer users than asked for, even none, and yet not be the last: that one has no `next_cursor`.
#[utoipa::path(
    get,
    operation_id = "list_users",
    path = "/api/v1/admin/users",
    tag = "administration",
    params(UserParams, PageParams),
    responses((status = 200, description = "A page of users.", body = Page<UserBody>)),
)]
pub(in crate::http) async fn list(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let asked = Asked::of(&mut query, &*state.cursor_key, "users")?;
    let role = query.optional("role", RoleName::parse)?;
    let filter = UserFilter { query: query.search()?, role, is_active: query.flag("active")? };
    query.finish()?;

    let (users, last) =
        in_time(state.auth.list_users(&caller, &filter, asked.after::<UserId>()?, asked.limit())).await?;
    let items = users.iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(asked.page(items, last.map(|id| id.to_string()))))
}

/// Creates an account, and signs nobody in.
#[utoipa::path(
    post,
    operation_id = "create_user",
    path = "/api/v1/admin/users",
    tag = "administration",
    request_body = NewUserBody,
    responses((status = 201, description = "The new user.", body = UserBody), UserCreateProblems),
)]
pub(in crate::http) async fn create(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let account = new_account(body::required(&request, payload).await?, state.auth.passwords())?;
    let roles = account.roles.clone();

    let created = state.auth.create_user(&caller, account);
    let user = carried_out(created, NOUN, &[sent(&roles)]).await?;
    Ok(HttpResponse::Created().json(shown(&user)))
}

/// Shows a user.
#[utoipa::path(
    get,
    operation_id = "get_user",
    path = "/api/v1/admin/users/{id}",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The `user_id`.")),
    responses((status = 200, description = "The user.", body = UserBody), UnknownProblems),
)]
pub(in crate::http) async fn get(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path_id::required::<UserId>(&request, NOUN)?;
    let found = state.auth.find_user(&caller, id);
    let user = carried_out(found, NOUN, &[]).await?;
    Ok(HttpResponse::Ok().json(shown(&user)))
}

/// Changes a user.
///
/// Older access tokens of a user whose roles change are refused from then on; a refresh gives new ones. A deactivation ends every
/// session. The caller must hold all that the user's roles permit, before and after.
#[utoipa::path(
    patch,
    operation_id = "update_user",
    path = "/api/v1/admin/users/{id}",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The `user_id`.")),
    request_body = UserPatchBody,
    responses((status = 200, description = "The user as it is now.", body = UserBody), UserUpdateProblems),
)]
pub(in crate::http) async fn update(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let id = path_id::required::<UserId>(&request, NOUN)?;
    let change = change(body::required(&request, payload).await?)?;
    let roles = change.roles.clone();

    let updated = state.auth.update_user(&caller, id, change);
    let sent: Vec<Sent<'_>> = roles.iter().map(sent).collect();
    let user = carried_out(updated, NOUN, &sent).await?;
    Ok(HttpResponse::Ok().json(shown(&user)))
}

/// Deletes a user with all its sessions. The address is free for somebody new.
#[utoipa::path(
    delete,
    operation_id = "delete_user",
    path = "/api/v1/admin/users/{id}",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The `user_id`.")),
    responses((status = 204, description = "The user is gone."), UserDeleteProblems),
)]
pub(in crate::http) async fn delete(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path_id::required::<UserId>(&request, NOUN)?;
    let deleted = state.auth.delete_user(&caller, id);
    carried_out(deleted, NOUN, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends every session of a user: its access and refresh tokens are refused from then on.
#[utoipa::path(
    post,
    operation_id = "end_sessions_of_user",
    path = "/api/v1/admin/users/{id}/end-sessions",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The `user_id`.")),
    responses((status = 204, description = "No session is left."), UnknownProblems),
)]
pub(in crate::http) async fn end_sessions(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path_id::required::<UserId>(&request, NOUN)?;
    let ended = state.auth.end_sessions_of(&caller, id);
    carried_out(ended, NOUN, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn new_account(mut fields: Fields, policy: &PasswordPolicy) -> Result<NewAccount, ApiError> {
    let email = fields.required("email", Email::parse);
    let name = fields.required("name", DisplayName::parse);
    let password = fields
        .required("password", |typed| policy.accept(Password::parse(typed)?, email.as_ref(), name.as_ref()));
    let roles = roles(&mut fields).unwrap_or_else(|| Roles::single(RoleName::viewer()));
    fields.finish(|| Some(NewAccount { email: email?, name: name?, password: password?, roles }))
}

fn change(mut fields: Fields) -> Result<UserChange, ApiError> {
    let name = fields.optional("name", DisplayName::parse);
    let roles = roles(&mut fields);
    let is_active = fields.optional_bool("is_active");
    fields.finish(|| Some(UserChange { name, roles, is_active }))
}

fn roles(fields: &mut Fields) -> Option<Roles> {
    const NONE: Violation = Violation::new("roles_empty", "An account has at least one role.");
    let names = fields.optional_set("roles", Roles::MAX, RoleName::parse)?;
    fields.check("roles", Roles::from_names(names).ok_or(NONE))
}

fn sent(roles: &Roles) -> Sent<'_> {
    ("roles", roles.iter().map(RoleName::as_str).collect())
}

fn shown(view: &UserView) -> UserBody<'_> {
    UserBody::of(&view.user, &view.permissions)
}
