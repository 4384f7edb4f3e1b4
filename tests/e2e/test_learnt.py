"""What answers taught survives the end of the process, can be seen, and can be forgotten."""
import os


def learnt(proxy, *arguments, check=True):
    return proxy.run("learnt", *arguments, check=check)


def state(proxy):
    for directory, _, names in os.walk(proxy.directory):
        if "learnt" in names:
            return os.path.join(directory, "learnt")
    return None


def test_what_was_learnt_is_kept_shown_and_forgotten(start):
    proxy = start()
    for _ in range(3):
        assert proxy.chat(content="hello " * 400).status == 200
    assert proxy.stop() == 0
    path = state(proxy)
    assert path and os.stat(path).st_mode & 0o077 == 0
    told = learnt(proxy).stdout
    assert "blocks of prompts" in told and "offer" in told
    with open(path, "rb") as file:
        assert b"hello hello" not in file.read()
    learnt(proxy, "--reset")
    assert not os.path.exists(path)
    assert learnt(proxy, check=False).returncode == 1


def test_a_broken_file_is_told_and_left_out_of_account(start):
    proxy = start()
    assert proxy.chat().status == 200
    assert proxy.stop() == 0
    path = state(proxy)
    with open(path, "r+b") as file:
        file.seek(5000)
        file.write(b"garbage")
    assert learnt(proxy, check=False).returncode == 1
