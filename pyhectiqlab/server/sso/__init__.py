"""Single sign-on by OpenID Connect: who logs in at a provider, and what their groups may do here."""
