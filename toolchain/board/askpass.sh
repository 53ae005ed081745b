#!/bin/sh
# Answers ssh's prompt for the virtual board's password: it listens on 127.0.0.1 only and has MaixCAM's factory login.
echo root
