"""hpack_pipe, as python_test.py and stories.py use it."""
import struct
import subprocess


class Pipe:
    """An encoder and a decoder of halo."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command, *parts):
        self.process.stdin.write(command + b"".join(parts))

    def number(self):
        return struct.unpack(">I", self.octets(4))[0]

    def octets(self, length):
        read = self.process.stdout.read(length)
        assert len(read) == length, "hpack_pipe has ended"
        return read

    def set_encoder(self, size):
        self.ask(b"S", struct.pack(">I", size))

    def set_decoder(self, size):
        self.ask(b"R", struct.pack(">I", size))

    def encode(self, fields):
        parts = [struct.pack(">I", len(fields))]
        for name, value, secret in fields:
            parts += [struct.pack(">II", secret, len(name)), name, struct.pack(">I", len(value)), value]
        self.ask(b"E", *parts)
        self.process.stdin.flush()
        return self.octets(self.number()), self.number()

    def decode(self, block):
        self.ask(b"D", struct.pack(">I", len(block)), block)
        self.process.stdin.flush()
        status = self.number()
        fields = []
        for _ in range(self.number()):
            secret = self.number() == 1
            name = self.octets(self.number())
            fields.append((name, self.octets(self.number()), secret))
        return status, fields, self.number()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, "hpack_pipe has failed"
