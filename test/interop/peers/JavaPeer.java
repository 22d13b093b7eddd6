// SPDX-License-Identifier: MIT
//
// Java's Unix-domain socket channels (Java 16 and later), which know nothing of leat.
//
// usage: java JavaPeer client|echo|reverse PATH
//   client   sends standard input and half-closes; what comes goes to standard output
//   echo     serves one client: gives back what comes, until the client ends
//   reverse  serves one client: reads all until its half-close, and answers with that, reversed
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;

final class JavaPeer {
    private static final int PART_BYTES = 65536;

    private static void writeAll(WritableByteChannel to, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            to.write(bytes);
        }
    }

    // The streams of java.nio.channels.Channels do not read and write one channel at the same time
    // before Java 19, so this copies from channel to channel.
    private static void copy(ReadableByteChannel from, WritableByteChannel to) throws IOException {
        ByteBuffer part = ByteBuffer.allocate(PART_BYTES);
        while (from.read(part) >= 0) {
            part.flip();
            writeAll(to, part);
            part.clear();
        }
    }

    private static void sendInput(SocketChannel channel) {
        try {
            copy(Channels.newChannel(System.in), channel);
            channel.shutdownOutput();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static void client(UnixDomainSocketAddress address) throws Exception {
        try (SocketChannel channel = SocketChannel.open(address)) {
            Thread sender = new Thread(() -> sendInput(channel));
            sender.start();
            copy(channel, Channels.newChannel(new FileOutputStream(FileDescriptor.out)));
            sender.join();
        }
    }

    private static void answerReversed(SocketChannel channel) throws IOException {
        byte[] question = Channels.newInputStream(channel).readAllBytes();
        byte[] answer = new byte[question.length];
        for (int at = 0; at < answer.length; at++) {
            answer[at] = question[question.length - 1 - at];
        }
        writeAll(channel, ByteBuffer.wrap(answer));
    }

    private static void serve(UnixDomainSocketAddress address, boolean reverse) throws IOException {
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(address);
            try (SocketChannel channel = listener.accept()) {
                if (reverse) {
                    answerReversed(channel);
                } else {
                    copy(channel, channel);
                }
            }
        } finally {
            Files.deleteIfExists(address.getPath());
        }
    }

    public static void main(String[] words) throws Exception {
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(Path.of(words[1]));
        if (words[0].equals("client")) {
            client(address);
        } else {
            serve(address, words[0].equals("reverse"));
        }
    }
}
