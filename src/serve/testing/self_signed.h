// A certificate for 127.0.0.1 that its own key has signed, for tests of TLS.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"

namespace minim::serve::testing {

struct SelfSigned {
  std::string certificate;  // PEM files
  std::string private_key;
};

inline SelfSigned make_self_signed(const Path& folder) {
  const std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> key(::EVP_EC_gen("P-256"),
                                                                  &::EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&::X509_free)> owner(::X509_new(), &::X509_free);
  X509* certificate = owner.get();
  ::X509_set_version(certificate, X509_VERSION_3);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -60);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 3600);
  ::X509_set_pubkey(certificate, key.get());
  X509_NAME* name = ::X509_get_subject_name(certificate);
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  ::X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names =
      ::X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  ::X509_add_ext(certificate, names, -1);
  ::X509_EXTENSION_free(names);
  EXPECT_GT(::X509_sign(certificate, key.get(), ::EVP_sha256()), 0);
  SelfSigned files{(folder / "chain.pem").string(), (folder / "key.pem").string()};
  std::FILE* out = std::fopen(files.certificate.c_str(), "w");
  EXPECT_EQ(::PEM_write_X509(out, certificate), 1);
  std::fclose(out);
  out = std::fopen(files.private_key.c_str(), "w");
  EXPECT_EQ(::PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  std::fclose(out);
  return files;
}

}  // namespace minim::serve::testing
