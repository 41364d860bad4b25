//! What a run in a container needs more than one in a sandbox: its image first, and the engine's word last.

use std::io;
use std::process::Command;

use super::{Child, Container, Supervised, pipe, sandbox};
use crate::executor::container::Pull;
use crate::executor::container::linux::ask::{Answer, Asked};
use crate::executor::container::linux::host::ContainerHost;
use crate::executor::container::linux::image::{Image, is_missing};

/// Why nothing is started any more.
const ASKED_TO_END: &str = "it was asked to end";

impl Supervised {
    pub(super) fn start_container(&mut self, host: &ContainerHost) -> io::Result<()> {
        let image = self.find_image(host).map_err(io::Error::other)?;
        if self.forced.is_some() {
            return Err(io::Error::other(ASKED_TO_END));
        }
        image.complete(&mut self.spec.run).map_err(io::Error::other)?;
        let owner = host.user.filter(|_| rustix::process::geteuid().is_root());
        self.give_folders(owner)?;
        let program = sandbox::program(&self.spec.run, &self.spec.token, self.resource_limits());
        let (output, output_end) = pipe()?;
        let (error, error_end) = pipe()?;
        self.listen_to(output, error);
        let (token, run) = (&self.spec.token, &self.spec.run);
        let started = Container::start(host, token, &image, run, program, [output_end, error_end])?;
        self.child = Child::Container(Box::new(started));
        Ok(())
    }

    /// The image of the run, pulled if the configuration wants it. For people if not.
    fn find_image(&mut self, host: &ContainerHost) -> Result<Image, String> {
        let name = self.spec.run.image.clone().unwrap_or_default();
        if host.pull == Pull::Always {
            self.pull(host, &name)?;
        }
        let mut answer = self.ask(host.command(["image", "inspect", &name]))?;
        if !answer.is_success() && is_missing(&answer.words) {
            if host.pull == Pull::Never {
                return Err(format!(
                    "the image `{name}` is not on this machine, and images are not pulled here"
                ));
            }
            self.pull(host, &name)?;
            answer = self.ask(host.command(["image", "inspect", &name]))?;
        }
        if !answer.is_success() {
            return Err(format!("the container engine does not give the image `{name}`: {}", answer.words));
        }
        Image::parse(&answer.output).map_err(|reason| format!("the image `{name}`: {reason}"))
    }

    fn pull(&mut self, host: &ContainerHost, name: &str) -> Result<(), String> {
        let answer = self.ask(host.command(["pull", "--quiet", name]))?;
        if answer.is_success() {
            return Ok(());
        }
        Err(format!("the image `{name}` could not be pulled: {}", answer.words))
    }

    /// Calls the engine's program, and hears meanwhile whether the run shall end.
    fn ask(&mut self, command: Command) -> Result<Answer, String> {
        let failed = |error: io::Error| format!("the container engine cannot be called: {error}");
        let mut asked = Asked::start(command).map_err(failed)?;
        loop {
            if let Some(answer) = asked.try_answer().map_err(failed)? {
                return Ok(answer);
            }
            if self.forced.is_some() {
                asked.end();
                return Err(ASKED_TO_END.into());
            }
            let ready = self.wait_for_something().map_err(failed)?;
            self.hear_server(&ready);
        }
    }

    /// The container engine's word: the init's counts only beside it.
    pub(super) fn hear_engine(&mut self) {
        let Child::Container(container) = &mut self.child else { return };
        let complaint = container.complaint();
        let is_told = self.end.is_some() || self.not_started.is_some();
        match complaint {
            None if is_told => {}
            _ if !container.was_reached() => {
                let words = complaint.unwrap_or_else(|| "the container ended at once".to_owned());
                self.not_started = Some(format!("the container could not be started: {words}"));
            }
            None => self.lost = Some("the container ended without telling how the program did".to_owned()),
            Some(words) => {
                let whose = if is_told { "but the engine does not say so" } else { "untold" };
                self.lost = Some(format!("the container ended, {whose}: {words}"));
            }
        }
    }

    /// Reads what the kernel counted, in a group that is not ours, before it is gone.
    pub(super) fn count(&mut self) {
        if let Child::Container(container) = &mut self.child {
            container.count();
        }
    }
}
