//! `lantern tokens`: what programs log in with.

use std::time::SystemTime;

use platform_client::access::Token;
use serde_json::{Value, json};

use super::register::{Place, Users};
use super::show::{self, table, time};
use super::{output, parse, usage};

/// List, create and revoke tokens, with which programs log in; for admins
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show tokens; what opens doors is not kept and cannot be shown
    List {
        /// Those of this user only
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Make a token, which is printed this once
    Create {
        /// Whose it is: it may do what this user may
        #[arg(value_name = "USER")]
        user: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// When it ends: 2027-01-31, or after 12h or 90d; never where nothing is said
        #[arg(long, value_name = "TIME", value_parser = parse::end)]
        expires: Option<SystemTime>,
    },
    /// Make tokens useless
    #[command(alias = "delete")]
    Revoke {
        /// Their identifiers, or the beginning of each
        #[arg(required = true, value_name = "TOKEN")]
        ids: Vec<String>,
    },
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let is_json = arguments.place.target.json();
    let users = arguments.place.open().await?;
    match arguments.what {
        What::List { user } => list(&users.tokens(user).await?, is_json),
        What::Create { user, label, expires } => {
            let (token, secret) = users.create_token(user, label, expires).await?;
            if is_json {
                output::json(&json!({ "token": json_token(&token), "secret": secret }))
            } else {
                output::text(&format!("TOKEN_ID:{}\nTOKEN:{secret}", token.id))
            }
        }
        What::Revoke { ids } => revoke(&users, &ids, is_json).await,
    }
}

fn list(all: &[Token], is_json: bool) -> anyhow::Result<()> {
    if is_json {
        return output::json(&json!({ "tokens": all.iter().map(json_token).collect::<Vec<_>>() }));
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|token| {
            let id = token.id.get(..16).unwrap_or(&token.id).to_owned();
            let expires = token.expires.map_or_else(|| "never".to_owned(), |end| time(Some(end)));
            vec![id, token.user.clone(), time(token.created), expires, token.label.clone()]
        })
        .collect();
    output::text(&table(&["ID", "USER", "CREATED", "EXPIRES", "LABEL"], &rows))
}

async fn revoke(users: &Users, ids: &[String], is_json: bool) -> anyhow::Result<()> {
    let all = users.tokens(None).await?;
    // All of them are known before the first one goes.
    let chosen = ids.iter().map(|text| pick(&all, text)).collect::<anyhow::Result<Vec<_>>>()?;
    for token in &chosen {
        users.revoke_token(token).await?;
        if !is_json {
            output::text(&format!("REVOKED:{}", token.id))?;
        }
    }
    let revoked: Vec<&str> = chosen.iter().map(|token| token.id.as_str()).collect();
    if is_json { output::json(&json!({ "revoked": revoked })) } else { Ok(()) }
}

/// The one token that begins so.
fn pick<'a>(all: &'a [Token], text: &str) -> anyhow::Result<&'a Token> {
    let start = text.to_ascii_lowercase();
    let mut found = all.iter().filter(|token| !start.is_empty() && token.id.starts_with(&start));
    match (found.next(), found.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => anyhow::bail!("no token begins with `{text}`"),
        (Some(_), Some(_)) => Err(usage(format!("several tokens begin with `{text}`"))),
    }
}

fn json_token(token: &Token) -> Value {
    json!({
        "token_id": token.id,
        "user": token.user,
        "label": token.label,
        "created": show::json_time(token.created),
        "expires": show::json_time(token.expires),
    })
}
