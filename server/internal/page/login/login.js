"use strict";
// A browser that opens http://user:password@host/ sends the credentials only in reply to a Basic challenge, which would show everybody else a
// password dialog. document.URL contains them (Chromium 156, Firefox 153, WebKit 2.50), so this form submits them, once: after a refusal it has a message.
const form = document.querySelector("form"), given = new URL(document.URL);
form.action = new URL("login", location.origin + location.pathname); // a relative address would inherit them
if (given.password && !form.querySelector(".message").textContent) {
  const value = (name, text) => { if (!form.elements[name].disabled) form.elements[name].value = text; };
  value("user", decodeURIComponent(given.username));
  value("password", decodeURIComponent(given.password));
  value("token", decodeURIComponent(given.password));
  form.submit();
}
