use std::io::Write;

use anyhow::Context;
use clap::Subcommand;
use maestro_auth_domain::{Description, PermissionName};
use maestro_auth_service::Caller;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List permissions by name
    List,
    /// Make a permission, or describe it anew
    Put {
        /// As resource:action
        #[arg(value_parser = PermissionName::parse)]
        name: PermissionName,
        /// What the permission is for
        #[arg(long, value_parser = Description::parse, default_value = "")]
        description: Description,
    },
    /// Delete a permission that no role names and no service has
    Delete {
        #[arg(value_parser = PermissionName::parse)]
        name: PermissionName,
    },
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let auth = &*wire::build(settings, wire::Purpose::Operate).await?.auth;
    let operator = Caller::operator();
    match action {
        Action::List => {
            for permission in auth.catalogue().await?.catalogue.permissions() {
                let (name, description) = (permission.name.to_string(), permission.description.as_str());
                print(out, format!("{name:24}  {description}").trim_end())?;
            }
            Ok(())
        }
        Action::Put { name, description } => {
            let stored = auth.put_permission(&operator, name, description).await;
            let (permission, is_new) = stored.context("the permission was not stored")?;
            print(out, &format!("{} is {}", permission.name, if is_new { "made" } else { "described anew" }))
        }
        Action::Delete { name } => {
            let deleted = auth.delete_permission(&operator, &name).await;
            deleted.with_context(|| format!("the permission {name} was not deleted"))?;
            print(out, &format!("{name} is deleted"))
        }
    }
}
