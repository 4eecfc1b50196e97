#include "support.h"
#include <stdio.h>
#include <malloc.h>
#include "tls/transport.h"
static void t(void**st){(void)st; halo_tls_context*S=server_context("server",NULL),*C=client_context(NULL); enum{N=500}; static struct pair p[N]; struct tls_heap h0,h1,h2; printf("sizeof tls_transport %zu, WOLFSSL objects:\n",sizeof(struct tls_transport));
 for(int i=0;i<20;i++){pair_init(&p[0],S,C,"localhost");pair_open(&p[0]);pair_free(&p[0]);}
 tls_heap_read(&h0); for(int i=0;i<N;i++) pair_init(&p[i],S,C,"localhost"); tls_heap_read(&h1); printf("client waiting for ServerHello: %zu\n",(h1.live-h0.live)/N);
 for(int i=0;i<N;i++){ pair_move(&p[i],&p[i].client,&p[i].server);} tls_heap_read(&h2); printf("server waiting for Finished: %zu in %zu blocks (+ output chunk %zu)\n",(h2.live-h1.live)/N,(h2.blocks-h1.blocks)/N,sizeof(struct chunk));
 h1=h2; struct mallinfo2 m=mallinfo2(); printf("heap in use %zu\n",m.uordblks/N);
 for(int i=0;i<N;i++) pair_run(&p[i]); tls_heap_read(&h2); printf("both open: %zu\n",(h2.live-h0.live)/N);
 for(int i=0;i<N;i++){p[i].client.transport->ops->free(p[i].client.transport);p[i].client.transport=NULL;} tls_heap_read(&h1); printf("server alone %zu in %zu blocks\n",(h1.live-h0.live)/N,(h1.blocks-h0.blocks)/N);
 size_t b=mallinfo2().uordblks; for(int i=0;i<N;i++){p[i].server.transport->ops->free(p[i].server.transport);p[i].server.transport=NULL;} tls_thread_exit(); malloc_trim(0); printf("malloc in use per server connection (with classes' rounding): %zu\n",(b-mallinfo2().uordblks)/N);
 for(int i=0;i<N;i++) pair_free(&p[i]);
 halo_tls_context_free(S); halo_tls_context_free(C);}
int main(void){const struct CMUnitTest tests[]={cmocka_unit_test(t)}; return cmocka_run_group_tests(tests,certificates_make,certificates_remove);}
