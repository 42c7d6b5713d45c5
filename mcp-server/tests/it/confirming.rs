//! A person is asked before something is taken away.
