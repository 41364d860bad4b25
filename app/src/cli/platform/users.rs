//! `lantern users`: who may log in, and what they may do.

use std::io::{BufRead, IsTerminal, Read};

use clap::ValueEnum;
use platform_client::access::{NewUser, User, UserUpdate};
use platform_client::role::Role;
use serde_json::{Value, json};

use super::register::{Place, Users};
use super::show::{self, table, time};
use super::{output, usage};

/// List, add, remove and change the users of a server; for admins
///
/// A password is asked for on the terminal, or read as one line from stdin; it never stands in an argument.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show all users
    List,
    Add(Add),
    /// Remove users with their tokens
    #[command(alias = "delete")]
    Remove {
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Give a user another password
    Password {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Change what a user may do
    Role {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
        /// What for
        #[arg(value_enum)]
        role: RoleArgument,
    },
    /// Let a user download payloads, or not
    Download {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
        /// Which
        #[arg(value_enum)]
        permission: Permission,
    },
    /// Let a user log in again
    Enable {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Keep a user from logging in, with a password or a token
    Disable {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Add a user, and read a password
#[derive(Debug, clap::Args)]
struct Add {
    /// The name; letter case makes no difference
    #[arg(value_name = "NAME")]
    name: String,

    /// What the user may do
    #[arg(long, value_enum, default_value_t)]
    role: RoleArgument,

    /// Let the user download payloads
    #[arg(long)]
    download: bool,

    /// Ask for no password: the user logs in with tokens only
    #[arg(long)]
    no_password: bool,
}

/// A role as typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum RoleArgument {
    /// Looks, and changes nothing
    #[default]
    Viewer,
    /// Runs jobs and fills payloads
    Operator,
    /// Says what can be run, and by whom
    Admin,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Viewer => Self::Viewer,
            RoleArgument::Operator => Self::Operator,
            RoleArgument::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Permission {
    Allow,
    Deny,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let is_json = arguments.place.target.json();
    let users = arguments.place.open().await?;
    let (name, update) = match arguments.what {
        What::List => return list(&users, is_json).await,
        What::Add(new) => return add(&users, new, is_json).await,
        What::Remove { names } => return remove(&users, &names, is_json).await,
        What::Password { name } => {
            let password = Some(read_password()?);
            (name, UserUpdate { password, ..UserUpdate::default() })
        }
        What::Role { name, role } => (name, UserUpdate { role: Some(role.into()), ..UserUpdate::default() }),
        What::Download { name, permission } => {
            let may_download = Some(permission == Permission::Allow);
            (name, UserUpdate { may_download, ..UserUpdate::default() })
        }
        What::Enable { name } => (name, UserUpdate { is_enabled: Some(true), ..UserUpdate::default() }),
        What::Disable { name } => (name, UserUpdate { is_enabled: Some(false), ..UserUpdate::default() }),
    };
    print(&users.update(&name, update).await?, is_json)
}

async fn list(users: &Users, is_json: bool) -> anyhow::Result<()> {
    let all = users.list().await?;
    if is_json {
        return output::json(&json!({ "users": all.iter().map(json_user).collect::<Vec<_>>() }));
    }
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output::text(&table(&HEADS, &rows))
}

async fn add(users: &Users, new: Add, is_json: bool) -> anyhow::Result<()> {
    let password = if new.no_password { None } else { Some(read_password()?) };
    let Add { name, role, download, .. } = new;
    let new = NewUser { name, password, role: role.into(), may_download: download };
    print(&users.add(new).await?, is_json)
}

async fn remove(users: &Users, names: &[String], is_json: bool) -> anyhow::Result<()> {
    for name in names {
        users.remove(name).await?;
        if !is_json {
            output::text(&format!("REMOVED:{}", show::printable(name)))?;
        }
    }
    if is_json { output::json(&json!({ "removed": names })) } else { Ok(()) }
}

fn print(user: &User, is_json: bool) -> anyhow::Result<()> {
    if is_json {
        output::json(&json!({ "user": json_user(user) }))
    } else {
        output::text(&table(&HEADS, &[row(user)]))
    }
}

const HEADS: [&str; 6] = ["NAME", "ROLE", "LOG-IN", "PASSWORD", "DOWNLOAD", "CREATED"];

fn row(user: &User) -> Vec<String> {
    let word = |is: bool, yes: &str, no: &str| if is { yes.to_owned() } else { no.to_owned() };
    vec![
        user.name.clone(),
        user.role.map_or_else(|| "-".to_owned(), |role| role.to_string()),
        word(user.is_enabled, "enabled", "disabled"),
        word(user.has_password, "set", "none"),
        word(user.may_download, "allowed", "denied"),
        time(user.created),
    ]
}

fn json_user(user: &User) -> Value {
    json!({
        "name": user.name,
        "role": user.role.map(Role::name),
        "enabled": user.is_enabled,
        "has_password": user.has_password,
        "may_download": user.may_download,
        "created": show::json_time(user.created),
    })
}

/// Longer lines are no passwords.
const PASSWORD_LIMIT_BYTES: u64 = 4096;

/// Asks twice without showing what is typed; or takes one line of a pipe or file.
fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password("New password: ")?;
        if password != rpassword::prompt_password("Once more: ")? {
            return Err(usage("the two passwords differ"));
        }
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(PASSWORD_LIMIT_BYTES).read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(usage("there is no password on stdin; `--no-password` adds a user without one"));
    }
    Ok(password.to_owned())
}
