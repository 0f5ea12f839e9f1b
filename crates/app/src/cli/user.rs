use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use maestro_auth_domain::{
    DisplayName, Email, NewPassword, Password, RoleName, Roles, Timestamp, User, UserChange, UserFilter,
    UserId,
};
use maestro_auth_service::{AuthService, Caller, NewAccount};
use serde_json::json;

use super::password_input::read_password;
use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire;

/// How many accounts are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make an account; the password comes from stdin or a file
    Create(Create),
    /// List accounts in the order of their creation
    List(List),
    /// Replace the password of an account and end all its sessions
    SetPassword(SetPassword),
    /// Give an account other roles; its older access tokens are refused from then on
    SetRoles(SetRoles),
    /// Let an account sign in again
    Activate(Named),
    /// End all sessions of an account and keep it out
    Deactivate(Named),
    /// Delete an account with its sessions; its address is free for somebody new
    Delete(Named),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[arg(long, value_parser = Email::parse)]
    email: Email,
    /// The name that others see
    #[arg(long, value_parser = DisplayName::parse)]
    name: DisplayName,
    /// A role; repeat it for more, the first is the primary one
    #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse, default_value = "viewer")]
    roles: Vec<RoleName>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// At most this many
    #[arg(long)]
    limit: Option<u32>,
    /// Begin after the account with this id
    #[arg(long, value_name = "USER_ID")]
    after: Option<UserId>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SetPassword {
    #[command(flatten)]
    user: Named,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SetRoles {
    #[command(flatten)]
    user: Named,
    /// A role; repeat it for more, the first is the primary one
    #[arg(long = "role", value_name = "ROLE", value_parser = RoleName::parse, required = true)]
    roles: Vec<RoleName>,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[arg(long, value_parser = Email::parse)]
    email: Email,
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let auth = &*wire::build(settings, wire::Purpose::Operate).await?.auth;
    let done = match action {
        Action::Create(order) => create(auth, order, out).await,
        Action::List(order) => list(auth, order, out).await,
        Action::SetPassword(order) => set_password(auth, order, out).await,
        Action::SetRoles(order) => set_roles(auth, order, out).await,
        Action::Activate(Named { email }) => set_active(auth, &email, true, out).await,
        Action::Deactivate(Named { email }) => set_active(auth, &email, false, out).await,
        Action::Delete(Named { email }) => delete(auth, &email, out).await,
    };
    auth.flush_audit().await?; // a look at the accounts has no step of its own to commit with
    done
}

async fn create(auth: &AuthService, order: Create, out: &mut impl Write) -> Result<(), Failure> {
    let Create { email, name, roles, password_file } = order;
    let password = new_password(auth, password_file.as_deref(), &email, &name)?;
    let roles = Roles::from_names(roles).context("an account has at least one role")?;
    let account = NewAccount { email, name, password, roles };
    let made = auth.create_user(&Caller::operator(), account).await;
    let user = made.context("the account was not made")?.user;
    print(out, &format!("{} {}", user.id, user.email))
}

async fn list(auth: &AuthService, order: List, out: &mut impl Write) -> Result<(), Failure> {
    let (operator, everybody) = (Caller::operator(), UserFilter::default());
    let mut left = order.limit.unwrap_or(u32::MAX);
    let mut after = order.after;
    while left > 0 {
        let (page, last) = auth.list_users(&operator, &everybody, after, left.min(PAGE)).await?;
        left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        for user in page.iter().map(|view| &view.user) {
            print(out, &if order.json { as_json(user) } else { as_text(user) })?;
        }
        if last.is_none() {
            break;
        }
        after = last;
    }
    Ok(())
}

async fn set_password(auth: &AuthService, order: SetPassword, out: &mut impl Write) -> Result<(), Failure> {
    let email = order.user.email;
    let user = find(auth, &email).await?;
    let password = new_password(auth, order.password_file.as_deref(), &user.email, &user.name)?;
    auth.set_password(user.id, password).await.context("the password was not changed")?;
    print(out, &format!("{} {} has a new password; all its sessions have ended", user.id, user.email))
}

async fn set_roles(auth: &AuthService, order: SetRoles, out: &mut impl Write) -> Result<(), Failure> {
    let user = find(auth, &order.user.email).await?;
    let roles = Roles::from_names(order.roles).context("an account has at least one role")?;
    let user = update(auth, &user, UserChange { roles: Some(roles), ..UserChange::default() }).await?;
    print(out, &format!("{} {} has the roles {}", user.id, user.email, role_names(&user).join(",")))
}

async fn set_active(
    auth: &AuthService,
    email: &Email,
    active: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let user = find(auth, email).await?;
    let change = UserChange { is_active: Some(active), ..UserChange::default() };
    let user = update(auth, &user, change).await?;
    let state = if user.is_active { "active" } else { "inactive" };
    print(out, &format!("{} {} is {state}", user.id, user.email))
}

async fn delete(auth: &AuthService, email: &Email, out: &mut impl Write) -> Result<(), Failure> {
    let user = find(auth, email).await?;
    auth.delete_user(&Caller::operator(), user.id).await.context("the account was not deleted")?;
    print(out, &format!("{} {} is deleted", user.id, user.email))
}

async fn update(auth: &AuthService, user: &User, change: UserChange) -> anyhow::Result<User> {
    let updated = auth.update_user(&Caller::operator(), user.id, change).await;
    Ok(updated.context("the account was not changed")?.user)
}

async fn find(auth: &AuthService, email: &Email) -> anyhow::Result<User> {
    auth.find_account(email).await.with_context(|| email.to_string())
}

fn new_password(
    auth: &AuthService,
    file: Option<&Path>,
    email: &Email,
    name: &DisplayName,
) -> anyhow::Result<NewPassword> {
    let typed = read_password(file)?;
    let policy = auth.passwords();
    let accepted =
        Password::parse(&typed).and_then(|password| policy.accept(password, Some(email), Some(name)));
    accepted.map_err(|violation| match violation.code {
        "password_too_short" => anyhow!("{violation} It demands {} characters.", policy.min_length),
        _ => violation.into(),
    })
}

fn as_text(user: &User) -> String {
    let state = if user.is_active { "active" } else { "inactive" };
    format!("{}  {:8}  {}  {}", user.id, state, user.email, role_names(user).join(","))
}

fn as_json(user: &User) -> String {
    json!({
        "user_id": user.id.to_string(),
        "email": user.email.as_str(),
        "name": user.name.as_str(),
        "role": user.roles.primary().as_str(),
        "roles": role_names(user),
        "email_verified": user.email_verified,
        "is_active": user.is_active,
        "created_at": user.created_at.to_rfc3339(),
        "last_login_at": user.last_login_at.map(Timestamp::to_rfc3339),
    })
    .to_string()
}

fn role_names(user: &User) -> Vec<&str> {
    user.roles.iter().map(RoleName::as_str).collect()
}
