use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use maestro_auth_domain::{Description, PermissionName, Role, RoleDefinition, RoleName};
use maestro_auth_service::{AuthService, Caller};
use serde_json::json;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List roles by name
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make a role, or replace it as a whole; whoever has it may do more or less at once
    Put(Put),
    /// Delete a role that no account has and no role inherits from
    Delete {
        #[arg(value_parser = RoleName::parse)]
        name: RoleName,
    },
}

#[derive(Debug, Args)]
pub(super) struct Put {
    #[arg(value_parser = RoleName::parse)]
    name: RoleName,
    /// What the role permits, as resource:action; repeat it for more
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = PermissionName::parse)]
    permissions: Vec<PermissionName>,
    /// A role whose permissions it has, too; repeat it for more
    #[arg(long = "inherit", value_name = "ROLE", value_parser = RoleName::parse)]
    inherits: Vec<RoleName>,
    /// What the role is for
    #[arg(long, value_parser = Description::parse, default_value = "")]
    description: Description,
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let auth = &*wire::build(settings, wire::Purpose::Operate).await?.auth;
    match action {
        Action::List { json } => list(auth, json, out).await,
        Action::Put(order) => put(auth, order, out).await,
        Action::Delete { name } => {
            auth.delete_role(&Caller::operator(), &name)
                .await
                .with_context(|| format!("the role {name} was not deleted"))?;
            print(out, &format!("{name} is deleted"))
        }
    }
}

async fn list(auth: &AuthService, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    for role in auth.catalogue().await?.catalogue.roles() {
        print(out, &if json { as_json(role) } else { as_text(role) })?;
    }
    Ok(())
}

async fn put(auth: &AuthService, order: Put, out: &mut impl Write) -> Result<(), Failure> {
    let Put { name, permissions, mut inherits, description } = order;
    let mut seen = Vec::new();
    inherits.retain(|role| {
        !seen.contains(role) && {
            seen.push(role.clone());
            true
        }
    });
    let permissions = permissions.into_iter().collect();
    let role = RoleDefinition { name, description, permissions, inherits };
    let (role, is_new) = auth.put_role(&Caller::operator(), role).await.context("the role was not stored")?;
    let done = if is_new { "made" } else { "replaced" };
    print(out, &format!("{} is {done}", role.definition.name))
}

fn as_text(role: &Role) -> String {
    let RoleDefinition { name, inherits, .. } = &role.definition;
    let mut text = format!("{:20}  {}", name.to_string(), permissions(role).join(","));
    if !inherits.is_empty() {
        let inherits: Vec<&str> = inherits.iter().map(RoleName::as_str).collect();
        text = format!("{text}  and all of {}", inherits.join(","));
    }
    text
}

fn as_json(role: &Role) -> String {
    let RoleDefinition { name, description, inherits, .. } = &role.definition;
    json!({
        "name": name.as_str(),
        "description": description.as_str(),
        "permissions": permissions(role),
        "inherits": inherits.iter().map(RoleName::as_str).collect::<Vec<_>>(),
        "built_in": role.built_in,
    })
    .to_string()
}

fn permissions(role: &Role) -> Vec<&str> {
    role.definition.permissions.iter().map(PermissionName::as_str).collect()
}
