//! Mails as files: what happens while no mail server is set up.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    email::{Email, EmailSender},
    outcome::{Refusal, SendError, Sending},
};

/// Writes each mail into a folder as an `.eml` file that any mail program opens.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder, made with the first mail.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the mails are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a mail. Named by the message id, so that a repeat is the same file.
    fn file(&self, email: &Email) -> PathBuf {
        let id = email.message_id.trim_matches(['<', '>']);
        let name: String = id
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "@.-".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let name = name.trim_start_matches('.');
        self.path.join(format!("{name}.eml"))
    }

    async fn write(&self, email: &Email) -> io::Result<PathBuf> {
        let source = email
            .source()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let file = self.file(email);
        tokio::fs::create_dir_all(&self.path).await?;
        // Beside it first, so that nobody reads half a mail.
        let fresh = file.with_extension("eml.part");
        tokio::fs::write(&fresh, source).await?;
        tokio::fs::rename(&fresh, &file).await?;
        Ok(file)
    }
}

impl EmailSender for Folder {
    fn send<'a>(&'a self, email: &'a Email) -> Sending<'a, String> {
        Box::pin(async move {
            match self.write(email).await {
                Ok(file) => Ok(format!("kept as {}", file.display())),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Err(SendError::Permanent(Refusal::unanswered(error.to_string())))
                }
                Err(error) => Err(SendError::Transient(Refusal::unanswered(format!(
                    "the mail could not be written into {}: {error}",
                    self.path.display()
                )))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::tests::hello;

    #[tokio::test]
    async fn a_repeat_is_the_same_file() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::new(scratch.path().join("outbox"));
        folder.send(&hello()).await.unwrap();
        folder.send(&hello()).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1);
        let source = std::fs::read(files[0].as_ref().unwrap().path()).unwrap();
        assert_eq!(source, hello().source().unwrap());
    }

    #[test]
    fn no_message_id_leads_out_of_the_folder() {
        let mut email = hello();
        email.message_id = "<../../etc/passwd@x>".to_owned();
        let file = Folder::new("/outbox").file(&email);
        assert_eq!(file.parent(), Some(Path::new("/outbox")));
    }
}
