#!/bin/sh
# A program that runs with more rights than its user does not listen to the user's VLOSS_ISA. Argument: vloss-info. Exit
# status 77: skipped, as only root can set this up, on a file system that honours it.
set -eu
info=$1
if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null; then
  echo "SKIP only root, with setpriv, can make a program that runs with more rights than its user"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cp "$info" "$folder/vloss-info"
chmod 755 "$folder/vloss-info"
as_user() { VLOSS_ISA=nonsense setpriv --reuid=65534 --clear-groups "$folder/vloss-info" --isa-only; }

if as_user 2>/dev/null; then
  echo "FAIL an ordinary program does not listen to VLOSS_ISA"
  exit 1
fi
chmod u+s "$folder/vloss-info"
if ! as_user; then
  case $(findmnt -n -o OPTIONS --target "$folder" 2>/dev/null) in
    *nosuid*)
      echo "SKIP $folder is mounted nosuid"
      exit 77
      ;;
  esac
  echo "FAIL a set-user-id program listens to VLOSS_ISA"
  exit 1
fi
