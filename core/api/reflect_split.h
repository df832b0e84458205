#pragma once
// One structured binding for each number of members from 1 to 32; reflect.h says what for.
//
// C++20 has no pack in a structured binding, so the numbers are written out.  Regular by intent:
// nothing here is worth reading twice.
//
// Threading: compile time only.

#include <tuple>
#include <type_traits>

namespace alnilam::reflect {

template <int n>
using Count = std::integral_constant<int, n>;

// For each n: split calls f with the n members of `value`; typesOf names their declared types.
template <typename T, typename F>
constexpr decltype(auto) split(Count<1>, T& value, F&& f) {
  auto& [m0] = value;
  return f(m0);
}
template <typename T>
auto typesOf(Count<1>, T& value) {
  [[maybe_unused]] auto& [m0] = value;
  return std::type_identity<std::tuple<decltype(m0)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<2>, T& value, F&& f) {
  auto& [m0, m1] = value;
  return f(m0, m1);
}
template <typename T>
auto typesOf(Count<2>, T& value) {
  [[maybe_unused]] auto& [m0, m1] = value;
  return std::type_identity<std::tuple<decltype(m0), decltype(m1)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<3>, T& value, F&& f) {
  auto& [m0, m1, m2] = value;
  return f(m0, m1, m2);
}
template <typename T>
auto typesOf(Count<3>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2] = value;
  return std::type_identity<std::tuple<decltype(m0), decltype(m1), decltype(m2)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<4>, T& value, F&& f) {
  auto& [m0, m1, m2, m3] = value;
  return f(m0, m1, m2, m3);
}
template <typename T>
auto typesOf(Count<4>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3] = value;
  return std::type_identity<std::tuple<decltype(m0), decltype(m1), decltype(m2), decltype(m3)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<5>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4] = value;
  return f(m0, m1, m2, m3, m4);
}
template <typename T>
auto typesOf(Count<5>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<6>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5] = value;
  return f(m0, m1, m2, m3, m4, m5);
}
template <typename T>
auto typesOf(Count<6>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<7>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6] = value;
  return f(m0, m1, m2, m3, m4, m5, m6);
}
template <typename T>
auto typesOf(Count<7>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<8>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7);
}
template <typename T>
auto typesOf(Count<8>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<9>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8);
}
template <typename T>
auto typesOf(Count<9>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<10>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9);
}
template <typename T>
auto typesOf(Count<10>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<11>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10);
}
template <typename T>
auto typesOf(Count<11>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<12>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11);
}
template <typename T>
auto typesOf(Count<12>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<13>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12);
}
template <typename T>
auto typesOf(Count<13>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<14>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13);
}
template <typename T>
auto typesOf(Count<14>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<15>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14);
}
template <typename T>
auto typesOf(Count<15>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<16>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15);
}
template <typename T>
auto typesOf(Count<16>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14,
      m15] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<17>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16);
}
template <typename T>
auto typesOf(Count<17>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15,
      m16] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<18>, T& value, F&& f) {
  auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17);
}
template <typename T>
auto typesOf(Count<18>, T& value) {
  [[maybe_unused]] auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15,
      m16, m17] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<19>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = value;
  return f(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18);
}
template <typename T>
auto typesOf(Count<19>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<20>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9,
      m10, m11, m12, m13, m14, m15, m16, m17, m18, m19] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19);
}
template <typename T>
auto typesOf(Count<20>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9,
      m10, m11, m12, m13, m14, m15, m16, m17, m18, m19] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<21>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20);
}
template <typename T>
auto typesOf(Count<21>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<22>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21);
}
template <typename T>
auto typesOf(Count<22>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<23>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22);
}
template <typename T>
auto typesOf(Count<23>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<24>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23);
}
template <typename T>
auto typesOf(Count<24>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<25>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24);
}
template <typename T>
auto typesOf(Count<25>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<26>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25);
}
template <typename T>
auto typesOf(Count<26>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<27>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26);
}
template <typename T>
auto typesOf(Count<27>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<28>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27);
}
template <typename T>
auto typesOf(Count<28>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<29>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28);
}
template <typename T>
auto typesOf(Count<29>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26),
      decltype(m27), decltype(m28)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<30>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29);
}
template <typename T>
auto typesOf(Count<30>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26),
      decltype(m27), decltype(m28), decltype(m29)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<31>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30);
}
template <typename T>
auto typesOf(Count<31>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26),
      decltype(m27), decltype(m28), decltype(m29), decltype(m30)>>{};
}
template <typename T, typename F>
constexpr decltype(auto) split(Count<32>, T& value, F&& f) {
  auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31] = value;
  return f(
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31);
}
template <typename T>
auto typesOf(Count<32>, T& value) {
  [[maybe_unused]] auto& [
      m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
      m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31] = value;
  return std::type_identity<std::tuple<
      decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
      decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11),
      decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16),
      decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21),
      decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26),
      decltype(m27), decltype(m28), decltype(m29), decltype(m30), decltype(m31)>>{};
}

}  // namespace alnilam::reflect
