"""Keys of teams by the thousand, as `bijia keys new` makes them one by one."""
import binascii
import hmac
import secrets
import string

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID, SECRET, CHECK = 8, 43, 6


def base62(number, length):
    text = ""
    for _ in range(length):
        number, rest = divmod(number, 62)
        text = DIGITS[rest] + text
    return text


def make(pepper, teams, n):
    """n keys, the teams in turn: (keys, entries of keys.yaml)"""
    keys, entries = [], []
    for i in range(n):
        # the running number makes ids differ
        key_id = base62(secrets.randbelow(62 ** 4) * 62 ** 4 + i, ID)
        secret = base62(secrets.randbits(256), SECRET)
        text = f"bj_{key_id}_{secret}"
        check = base62(binascii.crc32(text.encode()), CHECK)
        digest = hmac.new(pepper.encode(), secret.encode(), "sha256").hexdigest()
        keys.append(text + check)
        entries.append(f'- id: "{key_id}"\n  team: "{teams[i % len(teams)]}"\n'
                       f'  digest: "{digest}"\n'
                       '  created: "2026-11-22T00:00:00.000Z"\n')
    return keys, "".join(entries)
