/* SPDX-License-Identifier: Apache-2.0
 * Keys made for these tests; they open nothing. */
#ifndef FL_TEST_KEYS_H
#define FL_TEST_KEYS_H

#include "base/cc.h"

fl_unused static const char KEY_RSA_PKCS1[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEowIBAAKCAQEA1ewRMWrCEgxGTkFPFp+nkZejlCfA3hrNncR4J1MEid/pyXSe\n"
    "BBBAx+hzBqcLxaGZTIGpZ+spf7r+y2crmBkE36btCayuFE3vA1uOK0PpYBvdZCsY\n"
    "VlOLwskr9ytolAjkGOk1p3Gy4WZJUJB3p0Us3JkSwHDOvT35ZIn5dAtId+wQt9gg\n"
    "SS3L7dTkKf8XajVIU1lUL73I56WsZungr6TdxDteqnaDWimsrR1WvVlVbUR8Xu7Y\n"
    "HYcf8pdWv3Bu4YHwYmcrf3Dn1w/TA4Gd7JK1IgvEN8o3hU3982YPm3NUT+XhPuqv\n"
    "RF0eBXlFitToxjPtUwlZMEWTqAvCACsJyQ7LywIDAQABAoIBAAVr05hh1mQ4XRRr\n"
    "nEem/nX2lqXRB2wO2CoeNKtOc8gosqyGdjYFJsHKLBa9kf33/+y2lnv0iNsx+nYI\n"
    "zyEuH8z+gSBPI3mOlgw1kZnwFnsh3vpEYKauEasl3PreZeqRJR1VKk/BgQvW7exg\n"
    "P4qvepkROgPtd+0cznP+o8yN4qVt/AP7NWJSOoaJHbzT+jU5cb++XVFTuHDj77jb\n"
    "gRAABV3UbTGAQt0OH5Ulw8T80KDypKsK2IxDy0UeAOHNeySq/turpOayiHtrS9R6\n"
    "6hu+KcU0bQERZiqdV73FZgi1PEUGFy7xnatEMnvBTRpFWeT2Alm5BMdmZdcbb4YJ\n"
    "nKtl8BECgYEA+7ObuZv/Rzwrc8iK2l8CdJfrGj0/p9Wtm93iHxtjQK7unofwuvYg\n"
    "Znf/mGkp+o/eyUaY5CWxFkKTSPyy2C/RBLW5VQu/mpqjibj/P+Roz2z9N+sssdYO\n"
    "H3+nLQuFaVjWPYevqM3x6zUVCFeZnt9DsX38YtWwQKHjXa+JxjzjUjsCgYEA2ZNL\n"
    "Um2iGF7KQRgaFkWyWx1eZFTuOW7OOVzVny3/YT+rLt6a/3JmHz7ZurgUfbYTUeGq\n"
    "WyxRurr+oh/I7R4h7TC5kSOnJvclUWr4JFVyzaFmRcgLaciAUkvNTSixArA0RGAL\n"
    "U86vKUPFwRS+qsgz08csLOFgcXCtUSeH5tTAw7ECgYB8oaPTVVYjLL0LWNrAZFkv\n"
    "6GWGmZtifKC5VDX6VzJfPf9zyjY+LU8/zd1m13Ps2L5lBasBFVTJg++wLUhVWd/y\n"
    "qBT78pROdpHRySPCvFPVmc8MmEuKR0a4/BmIaXMHBfEXiI9HU6qdX6xpdA7iJwU6\n"
    "5vpI6iya5E5T/m6HFXEuLwKBgHiDCVliuEHfXw+nFev4Ns4Y+kuAb2MIaNmE/h3p\n"
    "EGcBKQQQ8LFE4CO2YEr34wGudA0KfZ16ctqG8LtD97q+0fPa5S3rHY6LnfP21/Lo\n"
    "EWqsV0WXhBrXn5v1uIVgYIsopgqpWBzXglXM4CAOKX3W3j4TN/iz7QNocdddmfzV\n"
    "IuBBAoGBAMscFHD8bPH95NMqbAKdAObrsKYnEQz2TFw9pdWUTv64HkTvHBCZrX+R\n"
    "b9rbBHL5M/HaS+KMgSUHtUpp1yMqrP7ToBdtj9hThinpbXmDn+LbFMxhd/HeaLqd\n"
    "qYhm5Zs+tvnJzqnoHlmpcZa0jq6mm1+HUn2AM1T9DcB0Qn4Ioa+5\n"
    "-----END RSA PRIVATE KEY-----\n";

fl_unused static const char KEY_RSA_PKCS8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDV7BExasISDEZO\n"
    "QU8Wn6eRl6OUJ8DeGs2dxHgnUwSJ3+nJdJ4EEEDH6HMGpwvFoZlMgaln6yl/uv7L\n"
    "ZyuYGQTfpu0JrK4UTe8DW44rQ+lgG91kKxhWU4vCySv3K2iUCOQY6TWncbLhZklQ\n"
    "kHenRSzcmRLAcM69Pflkifl0C0h37BC32CBJLcvt1OQp/xdqNUhTWVQvvcjnpaxm\n"
    "6eCvpN3EO16qdoNaKaytHVa9WVVtRHxe7tgdhx/yl1a/cG7hgfBiZyt/cOfXD9MD\n"
    "gZ3skrUiC8Q3yjeFTf3zZg+bc1RP5eE+6q9EXR4FeUWK1OjGM+1TCVkwRZOoC8IA\n"
    "KwnJDsvLAgMBAAECggEABWvTmGHWZDhdFGucR6b+dfaWpdEHbA7YKh40q05zyCiy\n"
    "rIZ2NgUmwcosFr2R/ff/7LaWe/SI2zH6dgjPIS4fzP6BIE8jeY6WDDWRmfAWeyHe\n"
    "+kRgpq4RqyXc+t5l6pElHVUqT8GBC9bt7GA/iq96mRE6A+137RzOc/6jzI3ipW38\n"
    "A/s1YlI6hokdvNP6NTlxv75dUVO4cOPvuNuBEAAFXdRtMYBC3Q4flSXDxPzQoPKk\n"
    "qwrYjEPLRR4A4c17JKr+26uk5rKIe2tL1HrqG74pxTRtARFmKp1XvcVmCLU8RQYX\n"
    "LvGdq0Qye8FNGkVZ5PYCWbkEx2Zl1xtvhgmcq2XwEQKBgQD7s5u5m/9HPCtzyIra\n"
    "XwJ0l+saPT+n1a2b3eIfG2NAru6eh/C69iBmd/+YaSn6j97JRpjkJbEWQpNI/LLY\n"
    "L9EEtblVC7+amqOJuP8/5GjPbP036yyx1g4ff6ctC4VpWNY9h6+ozfHrNRUIV5me\n"
    "30Oxffxi1bBAoeNdr4nGPONSOwKBgQDZk0tSbaIYXspBGBoWRbJbHV5kVO45bs45\n"
    "XNWfLf9hP6su3pr/cmYfPtm6uBR9thNR4apbLFG6uv6iH8jtHiHtMLmRI6cm9yVR\n"
    "avgkVXLNoWZFyAtpyIBSS81NKLECsDREYAtTzq8pQ8XBFL6qyDPTxyws4WBxcK1R\n"
    "J4fm1MDDsQKBgHyho9NVViMsvQtY2sBkWS/oZYaZm2J8oLlUNfpXMl89/3PKNj4t\n"
    "Tz/N3WbXc+zYvmUFqwEVVMmD77AtSFVZ3/KoFPvylE52kdHJI8K8U9WZzwyYS4pH\n"
    "Rrj8GYhpcwcF8ReIj0dTqp1frGl0DuInBTrm+kjqLJrkTlP+bocVcS4vAoGAeIMJ\n"
    "WWK4Qd9fD6cV6/g2zhj6S4BvYwho2YT+HekQZwEpBBDwsUTgI7ZgSvfjAa50DQp9\n"
    "nXpy2obwu0P3ur7R89rlLesdjoud8/bX8ugRaqxXRZeEGtefm/W4hWBgiyimCqlY\n"
    "HNeCVczgIA4pfdbePhM3+LPtA2hx112Z/NUi4EECgYEAyxwUcPxs8f3k0ypsAp0A\n"
    "5uuwpicRDPZMXD2l1ZRO/rgeRO8cEJmtf5Fv2tsEcvkz8dpL4oyBJQe1SmnXIyqs\n"
    "/tOgF22P2FOGKelteYOf4tsUzGF38d5oup2piGblmz62+cnOqegeWalxlrSOrqab\n"
    "X4dSfYAzVP0NwHRCfgihr7k=\n"
    "-----END PRIVATE KEY-----\n";

fl_unused static const char KEY_RSA_PUBLIC[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1ewRMWrCEgxGTkFPFp+n\n"
    "kZejlCfA3hrNncR4J1MEid/pyXSeBBBAx+hzBqcLxaGZTIGpZ+spf7r+y2crmBkE\n"
    "36btCayuFE3vA1uOK0PpYBvdZCsYVlOLwskr9ytolAjkGOk1p3Gy4WZJUJB3p0Us\n"
    "3JkSwHDOvT35ZIn5dAtId+wQt9ggSS3L7dTkKf8XajVIU1lUL73I56WsZungr6Td\n"
    "xDteqnaDWimsrR1WvVlVbUR8Xu7YHYcf8pdWv3Bu4YHwYmcrf3Dn1w/TA4Gd7JK1\n"
    "IgvEN8o3hU3982YPm3NUT+XhPuqvRF0eBXlFitToxjPtUwlZMEWTqAvCACsJyQ7L\n"
    "ywIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

fl_unused static const char KEY_RSA_SMALL[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAMf7xabDZuKqLruW\n"
    "ZWaL9x61WLskCunWZfGEwuwVARebvDpY/1tVLWDXgUhEMpgyjlUQ0wAxXLbKUQNA\n"
    "W07+hvmShUSb2QdK+yha65FeTI/8ItFkNxfaVTaaTFJ9gwsoKQdWFSeMGaQUWYBA\n"
    "Xfn5wIzJPgm3Jk6tBcrLw/yqLrZJAgMBAAECgYA4JAgCnsxdSWVBKCFjPlurdUFp\n"
    "l96wco2/1YNa/zKFTCT1RFK7cxgAHb+fZ/XEID0wyD5TyYe7kORZQ1HexTliiw8y\n"
    "Gb94N95bMyInZVEPkg3FBJJMJwx7Hqtt2B0h9PVfjrocJ49h6az1znD14tu3ZnNz\n"
    "uxJdKOKkq7yMeT8Z4QJBAPjs1L356I+xd3u48sHi0ovsGRBuls6wt8+rjFNIzbEZ\n"
    "jg4ZDmcS8alQIOzVLNK+a9eKSil2RuaguLRFRa0akS0CQQDNqtf9dq2IL4RE1rFR\n"
    "y/4DojyfQ+qG442/YJ7uqNweGZ/Ll9+SH2qh0eqJLaDvN2r3ni2cPa1lfx/5JO9m\n"
    "qxMNAkEA0TbsT4e9yRfVXq1Bi2fCokubfU4Vfj7VHrwGQvGLv+/Ej2DL1CH97toj\n"
    "8inxdGcLaKsYTeTVDn3C//DA8Q7FOQJAWey8Oc/dOjGEhNDWgSxPaWlTVlPMxKPU\n"
    "Q3xMoY9lhyevDcbe8zYXWp+9C7POrSmu9IvN54W0Pi+iXD5BCsP8NQJBAOoin/V9\n"
    "uSJLN2LaTZ6CKyeIuYeuF4HraPHkdlBeYNGwZUKevbsdd/PloO3vedwARTBMkmBD\n"
    "DNvoS/+WDt4nOHU=\n"
    "-----END PRIVATE KEY-----\n";

fl_unused static const char KEY_EC[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIMAWSH+dVUdGkoxhLiB6iQsImiQfspkZ5bafmMCeyrdXoAoGCCqGSM49\n"
    "AwEHoUQDQgAER2aTNjWuINJaomy9vkEvPJzNP3s+al5QCZBJfsep0iL+9NcOsHM7\n"
    "T4I6h5WeoxR0o1PLIMT9/8aM12lpwKQ/TA==\n"
    "-----END EC PRIVATE KEY-----\n";

fl_unused static const char KEY_RSA_ENCRYPTED[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,C87A40951309F604F2A353D67D002053\n"
    "\n"
    "WWN2ShUJ15Ut9f6I6SiUakk21vrVF3jIYIHxiXljKxz15URW4Pe7/JM64UlzCBDG\n"
    "0akIMI1CnpX72pKPFMVmWSHbc+GADJWl523UXsNX4LAf6zeXyCU+H658rgUyxB8n\n"
    "RgqF2CkADctdQXbgxP1Zem+rJmCO6voyqYSn1782amdCg2zI65fz/goui9zb7H0k\n"
    "kMwOmFP1pgWtDktflHhUn0kNYAxQwmcw1gkvYJT6bWln5NdjLtTi1moTud6bZsRY\n"
    "32kduxYH4N7bYiQS6M2FPqPuV56ccYIqcER7ptxcxDJ0QQNsddeqJp0KG9jUDn5k\n"
    "FDWMqysiLFnh1/BnZRQlkeHDS4ChrECh0p1w5t1Khrh+i6qcnMcNKyYa8mumeuJ1\n"
    "MAu/5TS9iUBpvygH4+6yEoYMKUolAjyKz6TRCbtAHlOfT6tIHk8RbxRElls4yWuK\n"
    "M9wtUjzy2mBdqPSTIM95nSu8NBKRT7rTr7AaYFaa8Sxdbp7dADUyQtuLm8alZbVK\n"
    "H+31waYbrXB5CmclNeiB//BdMS+CmSuaa0qFVi5v7A9v5/WL4jMLGg3AXXDYBGVb\n"
    "DlkJUcAocQslgryDX8iLr1R3Ek5MfinULkisKFEoFQz58Igq47oCqc9klqvpQfJQ\n"
    "y62oAERi0/qJY1UDniJnZrbjj+d+kseyGUFB2gm8QzY13hnUdUoIKrBySFsSpust\n"
    "a2AmerK/E+uO3sjMBYts5pU9CF8jH+Ucpceq5nHlIwMeu8ZIln/OsOBhtTc88fuY\n"
    "EzrfRiL0eFgB3CgMl5RhekFO7CmaZWRe86xmZj9D48UyBiOhipePMX5/h2EZ2b8N\n"
    "zWq/URPdKPDRbSS12lUJFV8fviEoAdP2ZSZ0sBjUTUCzJyfQUCksC5/EptqATKna\n"
    "rdY5DZxZEesbzyoa6+HVYPDDeOCVDeW9Bd50TxfcU+fBBoF9lNAqJr9lPWeY2/PN\n"
    "5+JBw8VeXa5zAaeucWNClakk5PE9G5QwYiPJfrA/89NXXraV/+0QXaCdjUpiSnok\n"
    "oJNfO0R3zMOaS3HN/uEiWFcDM32t9G1M2U9CUPCmp2pSHfS1fxH6f5D1DmMhtQxj\n"
    "w8GlgVRsThaV24Thse48lheAK5AJ2U2PwmPrTR6Zv2CBZ9Kb/K31xLtFB83xiDhk\n"
    "1MjeU4fJ8DsRDy8/2S7ywWwEq5wjODChr8595+AViMPG9mcRGyHxNaNhd+PRutHw\n"
    "bUE6nKAosEZYh91Myu+HC8R15VozEqhg1ulALuBo05JCF61gzjxcjvgGrBjBqoP1\n"
    "N+9khTLfei8ZZEx12ExayU3uFOEcErVD1Cm4BFP/VAf24bz6WJJEDM7aaJSUK/ZL\n"
    "W/Kv8Rb6pZAghZ5pv7DCn3GDNleuW5HXtrrz669EOQFEdDh8lM3G3vNNkffOtwhA\n"
    "zd+I4fbInms5RtrQ3bzpr0tiyVzhqiMvxBLf8wSbgcZ1+RCKwQO50eGK2dfD/4gP\n"
    "iz9FqDoRKzQDeVKyxFpdXnHdmDJ1BA2mCLXW9sif0FfNoz7x3x9q1N6mqAMayEHK\n"
    "rvquIR1GHHkquzoo9ChKa1mxqWC77tr9Vd8Q8cITXyC4kOnNWhHCuQsV4N3ZEcsx\n"
    "-----END RSA PRIVATE KEY-----\n";

fl_unused static const char KEY_SSH[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACA0VdbE/9D1ya1AzerUx9a3bf2t0njQf2/AccxxB5hNeAAAAIjber+n23q/\n"
    "pwAAAAtzc2gtZWQyNTUxOQAAACA0VdbE/9D1ya1AzerUx9a3bf2t0njQf2/AccxxB5hNeA\n"
    "AAAEDzwWP9OAX1ThOU0BqIMVLWZAltS3y08H8pgpbjFBqI4DRV1sT/0PXJrUDN6tTH1rdt\n"
    "/a3SeNB/b8BxzHEHmE14AAAAAAECAwQF\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

fl_unused static const char KEY_SSH_PASSPHRASE[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABC8MoOETJ\n"
    "WaocmlHcT3K6sBAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAILCl+6X8P2PRw2o8\n"
    "iuq0dJReOOLIYBiU8M4SfIdXkmqQAAAAkEp/HyXa7p7+QgbQ52lYKFRnphxlqVXD7RrHs2\n"
    "RVRjELS9SXzGWc4iLy7aS1tntQ5ClTxaTbihIaSc7FMriFiljxVthDJCguCw+voPhUspS6\n"
    "yVuHvi4fZtY8xEAv6/Pa0fl1ksOn5LCNcP+yqCC/vwemYswn7rknx5Wy4Ab8RcD//L+gY1\n"
    "tf36IwEcLJiYabZw==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

#endif
