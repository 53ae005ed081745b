"use strict";
// Opened as http://user:password@host/ a browser sends the credentials only to who asks for Basic, which would open a password window for everybody
// else. document.URL has them (Chromium 156, Firefox 153, WebKit 2.50), so they are sent with this form, once: a refusal has a message.
const form = document.querySelector("form"), given = new URL(document.URL);
form.action = new URL("login", location.origin + location.pathname); // a relative address would inherit them
if (given.password && !form.querySelector(".message").textContent) {
  const value = (name, text) => { if (!form.elements[name].disabled) form.elements[name].value = text; };
  value("user", decodeURIComponent(given.username));
  value("password", decodeURIComponent(given.password));
  value("token", decodeURIComponent(given.password));
  form.submit();
}
