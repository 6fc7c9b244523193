/* echo: sends every UDP datagram back, and so shows what this machine allows a server on one core.
 *
 *   echo PORT BATCH [EXTRA]   recvmmsg and sendmmsg of up to BATCH datagrams, at most 64;
 *                             with 1 recvfrom and sendto
 *
 * A reply is EXTRA octets longer than its query (16: an A record), and has the QR bit set.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BATCH_MAX 64
#define SIZE_MAX_OCTETS 1500

static unsigned char buffers[BATCH_MAX][2048];
static struct sockaddr_in peers[BATCH_MAX];

static void echo_single(int fd, size_t extra) {
    for (;;) {
        socklen_t length = sizeof peers[0];
        ssize_t size = recvfrom(fd, buffers[0], SIZE_MAX_OCTETS, 0, (void *)&peers[0], &length);
        if (size < 3) continue;
        buffers[0][2] |= 0x80;
        sendto(fd, buffers[0], size + extra, 0, (void *)&peers[0], length);
    }
}

static void echo_batch(int fd, int batch, size_t extra) {
    static struct mmsghdr messages[BATCH_MAX];
    static struct iovec vectors[BATCH_MAX];
    for (int i = 0; i < batch; i++) {
        vectors[i].iov_base = buffers[i];
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_name = &peers[i]};
    }
    for (;;) {
        for (int i = 0; i < batch; i++) {
            vectors[i].iov_len = SIZE_MAX_OCTETS;
            messages[i].msg_hdr.msg_namelen = sizeof peers[i];
        }
        int got = recvmmsg(fd, messages, batch, MSG_WAITFORONE, 0), done = 0, step;
        for (int i = 0; i < got; i++) {
            vectors[i].iov_len = messages[i].msg_len + extra;
            buffers[i][2] |= 0x80;
        }
        for (; done < got; done += step)
            if ((step = sendmmsg(fd, messages + done, got - done, 0)) <= 0) break;
    }
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "echo PORT BATCH [EXTRA]\n"); return 2; }
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20, one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &here.sin_addr);
    if (bind(fd, (void *)&here, sizeof here)) { perror("bind"); return 1; }
    size_t extra = argc > 3 ? strtoul(argv[3], 0, 10) : 0;
    int batch = atoi(argv[2]);
    if (extra > 500 || batch < 1 || batch > BATCH_MAX) return 2;
    if (batch == 1) echo_single(fd, extra);
    echo_batch(fd, batch, extra);
}
